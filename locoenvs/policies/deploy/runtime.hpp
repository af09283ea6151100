// Runs a policy on a robot: sensor readings in, joint targets out. Needs C++17, onnxruntime's C API, policy.json and policy.onnx.
//
//   locoenvs::Runtime runtime("policy", 0.0, "walk.log");
//   const locoenvs::Targets& targets = runtime.step(time, {{"joint_position", angles}, ...}, clock());  // every control_dt() s
//
// It does what runtime.py does, to rounding: see there for readings, targets, faults and the log. Only the constructor throws.
// Unlike runtime.py it does not compare policy.onnx with the sha256 in policy.json: export both together.

#pragma once

#if defined(__FAST_MATH__) || __FINITE_MATH_ONLY__
#error "-ffast-math takes every NaN for a number: compile without it"
#endif

#include <onnxruntime_c_api.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <locale>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace locoenvs {

using Numbers = std::vector<double>;
using Readings = std::map<std::string, Numbers>;

struct Targets {                           // in the order of Runtime::joints()
  Numbers position, stiffness, damping;    // rad, N m/rad, N m s/rad
  std::string fault;                       // empty while the policy runs
};

// What of JSON a policy.json needs: no \u escapes.
struct Json {
  std::map<std::string, Json> fields;
  std::vector<Json> items;
  std::string text;
  double number = 0;
  const Json& operator[](const std::string& name) const {
    const auto found = fields.find(name);
    if (found == fields.end()) throw std::runtime_error("policy.json lacks '" + name + "': export it anew");
    return found->second;
  }
  bool has(const std::string& name) const { return fields.count(name) > 0; }
  Numbers numbers(size_t count) const {  // one number stands for all
    Numbers made(count, number);
    if (!items.empty())
      for (size_t i = 0; i < count; ++i) made[i] = items.at(i).number;
    return made;
  }

  static Json parse(const std::string& content) {
    const char* at = content.c_str();
    return value(at, 0);
  }

 private:
  static void space(const char*& at) { at += std::strspn(at, " \n\r\t"); }
  static void expect(const char*& at, char sign) {
    space(at);
    if (*at++ != sign) throw std::runtime_error("policy.json is not JSON");
  }
  static std::string string(const char*& at) {
    std::string made;
    for (expect(at, '"'); *at && *at != '"'; ++at) made += *at == '\\' && at[1] ? *++at : *at;
    expect(at, '"');
    return made;
  }
  static Json value(const char*& at, int depth) {
    Json made;
    if (depth > 100) throw std::runtime_error("policy.json is nested too deeply");
    space(at);
    if (*at == '{' || *at == '[') {
      const bool object = *at == '{';
      const char end = object ? '}' : ']';
      ++at;
      for (space(at); *at != end; space(at)) {
        if (object) {
          const std::string name = string(at);
          expect(at, ':');
          made.fields[name] = value(at, depth + 1);
        } else made.items.push_back(value(at, depth + 1));
        space(at);
        if (*at != end) expect(at, ',');
      }
      ++at;
    } else if (*at == '"') made.text = string(at);
    else if (*at == 't' || *at == 'f' || *at == 'n') {
      made.number = *at == 't';
      while (*at >= 'a' && *at <= 'z') ++at;
    } else {
      const size_t length = std::strspn(at, "+-.0123456789eE");
      std::istringstream text(std::string(at, length));
      text.imbue(std::locale::classic());  // whatever the program's has for a decimal point
      if (!(text >> made.number)) throw std::runtime_error("policy.json is not JSON");
      at += length;
    }
    return made;
  }
};

// policy.onnx in onnxruntime: "obs" and states in, "actions" and states out, one robot.
class Network {
 public:
  Network(const std::string& file, size_t observations, size_t joints, const Json& states) : Network() {
    api_ = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!api_) throw std::runtime_error("this onnxruntime is older than its header, onnxruntime_c_api.h");
    check(api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "locoenvs", &env_));
    OrtSessionOptions* options = nullptr;
    check(api_->CreateSessionOptions(&options));
    check(api_->SetIntraOpNumThreads(options, 1)), check(api_->SetInterOpNumThreads(options, 1));
    OrtStatus* status = api_->CreateSession(env_, file.c_str(), options, &session_);
    api_->ReleaseSessionOptions(options), check(status);
    check(api_->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory_));
    add("obs", "actions", {1, static_cast<int64_t>(observations)}, {1, static_cast<int64_t>(joints)});
    for (const Json& state : states.items) {
      Shape shape{1};
      for (const Json& size : state["size"].items) shape.push_back(static_cast<int64_t>(size.number));
      add(state["input"].text, state["output"].text, shape, shape);
    }
    bind();
  }
  Network(const Network&) = delete;
  ~Network() {
    for (const auto* values : {&inputs_, &outputs_})
      for (OrtValue* value : *values) api_->ReleaseValue(value);
    if (memory_) api_->ReleaseMemoryInfo(memory_);
    if (session_) api_->ReleaseSession(session_);
    if (env_) api_->ReleaseEnv(env_);
  }
  std::vector<float>& observation() { return given_.front(); }
  const std::vector<float>& actions() const { return made_.front(); }
  void run() {
    check(api_->Run(session_, nullptr, input_names_.data(), inputs_.data(), inputs_.size(), output_names_.data(),
                    outputs_.size(), outputs_.data()));
  }
  void remember() { std::copy(made_.begin() + 1, made_.end(), given_.begin() + 1); }
  void forget() {
    for (size_t i = 1; i < given_.size(); ++i) std::fill(given_[i].begin(), given_[i].end(), 0.0f);
  }

 private:
  Network() = default;  // delegated to, so that what throws after it is destroyed
  void check(OrtStatus* status) {
    if (!status) return;
    const std::string why = api_->GetErrorMessage(status);
    api_->ReleaseStatus(status);
    throw std::runtime_error("onnxruntime: " + why);
  }
  using Shape = std::vector<int64_t>;
  static size_t count(const Shape& shape) {
    size_t made = 1;
    for (int64_t each : shape) made *= static_cast<size_t>(each);
    return made;
  }
  void add(const std::string& input, const std::string& output, const Shape& in, const Shape& out) {
    names_.insert(names_.end(), {input, output});
    shapes_.insert(shapes_.end(), {in, out});
    given_.emplace_back(count(in), 0.0f), made_.emplace_back(count(out), 0.0f);
  }
  void bind() {  // once nothing moves any more
    for (size_t i = 0; i < given_.size(); ++i) {
      input_names_.push_back(names_[2 * i].c_str());
      output_names_.push_back(names_[2 * i + 1].c_str());
      inputs_.push_back(tensor(given_[i], shapes_[2 * i]));
      outputs_.push_back(tensor(made_[i], shapes_[2 * i + 1]));
    }
  }
  OrtValue* tensor(std::vector<float>& data, const Shape& shape) {
    OrtValue* made = nullptr;
    check(api_->CreateTensorWithDataAsOrtValue(memory_, data.data(), data.size() * sizeof(float), shape.data(),
                                               shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &made));
    return made;
  }

  const OrtApi* api_ = nullptr;
  OrtEnv* env_ = nullptr;
  OrtSession* session_ = nullptr;
  OrtMemoryInfo* memory_ = nullptr;
  std::vector<std::string> names_;
  std::vector<std::vector<float>> given_, made_;
  std::vector<Shape> shapes_;
  std::vector<const char*> input_names_, output_names_;
  std::vector<OrtValue*> inputs_, outputs_;
};

class Runtime {
 public:
  // robot_delay: seconds that targets take to the robot's drives; what is missing to the shortest delay of training is waited for.
  // log: a new file, a row a step; none if it is empty.
  explicit Runtime(const std::string& folder, double robot_delay = 0.0, const std::string& log = "") {
    std::ifstream file(folder + "/policy.json");
    if (!file) throw std::runtime_error(folder + "/policy.json is missing");
    const Json document = Json::parse({std::istreambuf_iterator<char>(file), {}});
    if (document["format"].text != "locoenvs.policy" || document["format_version"].number != 3)
      throw std::runtime_error(folder + "/policy.json is not of format locoenvs.policy 3: export it anew");
    if (!(robot_delay >= 0 && std::isfinite(robot_delay))) throw std::runtime_error("robot_delay must be seconds, at least 0");
    const Json& seen = document["observation"];
    const Json& limits = document["limits"];
    for (const Json& joint : document["joints"].items) {
      joints_.push_back(joint["name"].text);
      default_.push_back(joint["default_position"].number);
      stiffness_.push_back(joint["stiffness"].number), damping_.push_back(joint["damping"].number);
    }
    control_dt_ = document["control_dt"].number, physics_dt_ = document["control"]["physics_dt"].number, longest_ = limits["age"].number;
    delay_ = std::max(0.0, document["control"]["action_delay"].items.at(0).number - robot_delay);
    scale_ = document["action"]["scale"].number, clip_ = document["action"]["clip"].number;
    const size_t size = static_cast<size_t>(seen["size"].number);
    low_.fill(Numbers(size, -1e300)), high_.fill(Numbers(size, 1e300));
    double near = 0.1;  // rad beyond the starts of training
    for (double angle : default_) near = std::max(near, 0.1 + std::abs(angle) / 2);
    center_.assign(size, 0), factor_.assign(size, 0), edge_.assign(size, seen["clip"].number), raw_.assign(size, NAN);
    for (const Json& slot : seen["slots"].items) {
      Part part{slot["name"].text, 0, 0, static_cast<size_t>(slot["start"].number), static_cast<size_t>(slot["stop"].number)};
      const size_t count = part.size = part.stop - part.start;
      const std::string name = part.reading;
      const bool limited = limits["readings"].has(name);
      const Numbers low = limited ? limits["readings"][name]["low"].numbers(count) : Numbers(count, -1e300);
      const Numbers high = limited ? limits["readings"][name]["high"].numbers(count) : Numbers(count, 1e300);
      for (size_t i = 0; i < count; ++i) {
        const size_t at = part.start + i;
        factor_[at] = slot["scale"].number;
        if (name == "joint_position") center_[at] = default_.at(i);
        const double about = name == "joint_position" ? near : 1e300;
        low_[0][at] = low[i], low_[1][at] = std::clamp(center_[at] - about, low[i], high[i]);
        high_[0][at] = high[i], high_[1][at] = std::clamp(center_[at] + about, low[i], high[i]);
        if (name == "heights") {
          center_[at] = seen["heights"]["offset"].number;
          edge_[at] = std::min(edge_[at], factor_[at] * seen["heights"]["clip"].number);
        }
      }
      if (name == "command_linear_velocity" || name == "command_yaw_rate")
        part.reading = "command", part.first = count == 2 ? 0 : 2, part.size = 3;
      if (name == "projected_gravity") gravity_ = part, high_[1].at(part.stop - 1) = -0.7;  // upright
      if (name == "last_action") own_ = part;
      else parts_.push_back(part);
    }
    for (const Json& pair : limits["command"].items) asked_.push_back({pair.items.at(0).number, pair.items.at(1).number});
    norms_ = {limits["gravity_norm"].items.at(0).number, limits["gravity_norm"].items.at(1).number};
    network_ = std::make_unique<Network>(folder + "/policy.onnx", size, joints_.size(), document["onnx"]["states"]);
    if (!log.empty()) {
      if (std::ifstream(log)) throw std::runtime_error(log + " exists already: choose another name for the log");
      log_.open(log, std::ios::binary);
      if (!log_) throw std::runtime_error(log + " cannot be written");
      log_.imbue(std::locale::classic());
      log_ << "{\"format\": \"locoenvs.deployment_log\", \"format_version\": 1, \"sha256\": \"" << document["onnx"]["sha256"].text
           << "\", \"observations\": " << size << ", \"joints\": " << joints_.size() << ", \"faults\": [";
      for (size_t i = 0; i < kinds_.size(); ++i) log_ << (i ? ", \"" : "\"") << kinds_[i] << "\"";
      log_ << "]}\n";
    }
    reset();
  }

  const std::vector<std::string>& joints() const { return joints_; }
  const Numbers& default_position() const { return default_; }
  double control_dt() const { return control_dt_; }
  double physics_dt() const { return physics_dt_; }  // the drives' step in training
  const Numbers& action() const { return action_; }

  // Begin anew, upright and near the default pose, which the next step checks: no fault, no last action, nothing remembered.
  void reset() {
    fault_.clear(), code_ = 0, time_ = NAN, begun_ = true;
    action_.assign(joints_.size(), NAN), last_.assign(joints_.size(), 0.0);
    held_ = default_, due_.clear(), network_->forget();
  }

  // Run the policy once; what the drives are told now. time is when the sensors were read, in seconds of the same clock.
  // Less than control_dt / 2 after the last step it is targets() and no more.
  const Targets& step(double time, const Readings& readings, double now) {
    if (const double passed = time - time_; fault_.empty() && passed >= 0 && passed < control_dt_ / 2) return targets(now);
    std::fill(raw_.begin(), raw_.end(), NAN), std::fill(action_.begin(), action_.end(), NAN);
    if (fault_.empty()) look(time, readings, now);
    if (fault_.empty()) act(time);
    targets(now);
    if (log_.is_open()) {
      row_ = {time, static_cast<double>(code_), begun_ ? 1.0 : 0.0};
      for (const Numbers* each : {&raw_, &action_, &targets_.position}) row_.insert(row_.end(), each->begin(), each->end());
      log_.write(reinterpret_cast<const char*>(row_.data()), static_cast<std::streamsize>(row_.size() * sizeof(double)));
      log_.flush(), begun_ = false;  // each row is there at once, whatever happens next
    }
    return targets_;
  }

  // What the drives are told now: for drives that are told more often than the policy runs, and its watchdog.
  const Targets& targets(double now) {
    if (fault_.empty() && !std::isnan(time_) && !(std::abs(now - time_) <= longest_)) late(now - time_);  // nor is a NaN
    targets_.damping = damping_;
    if (!fault_.empty() || std::isnan(time_)) {
      targets_.stiffness.assign(joints_.size(), 0.0);
      targets_.fault = fault_.empty() ? "waiting: no step yet" : fault_;
    } else {
      while (!due_.empty() && due_.front().first <= now + 1e-9) held_ = std::move(due_.front().second), due_.pop_front();
      targets_.stiffness = stiffness_;
      targets_.fault.clear();
    }
    targets_.position = held_;
    return targets_;
  }

 private:
  struct Part {  // numbers first, first + 1, ... of a reading of so many are those from start to stop of the observation
    std::string reading;
    size_t first = 0, size = 0, start = 0, stop = 0;
  };

  inline static const std::vector<std::string> kinds_{"", "missing", "shape", "not finite", "out of range", "time", "stale", "network"};
  static std::string shown(double value) {
    std::ostringstream text;
    return text << value, text.str();
  }
  void fail(int code, const std::string& why) { code_ = code, fault_ = kinds_[static_cast<size_t>(code)] + ": " + why; }

  void late(double passed) { fail(6, "no step for " + shown(passed) + " s, at most " + shown(longest_)); }

  void look(double time, const Readings& readings, double now) {
    if (!std::isfinite(time) || !std::isfinite(now)) return fail(5, shown(time) + " s is no time, at " + shown(now) + " s");
    if (std::abs(now - time) > longest_)
      return fail(6, "readings are " + shown(now - time) + " s old, at most " + shown(longest_));
    const double passed = time - time_;  // NaN in the first step: no comparison holds
    if (passed < 0) return fail(5, "a step " + shown(passed) + " s after the last: time goes back");
    if (passed > longest_) return late(passed);
    for (const Part& part : parts_) {
      const auto found = readings.find(part.reading);
      if (found == readings.end()) return fail(1, "no reading '" + part.reading + "'");
      const Numbers& value = found->second;
      if (value.size() != part.size)
        return fail(2, part.reading + " must be " + std::to_string(part.size) + " numbers, got " + std::to_string(value.size()));
      for (size_t i = part.start; i < part.stop; ++i) {
        const size_t from = part.first + i - part.start;
        raw_[i] = value[from];
        if (part.reading == "command") raw_[i] = std::clamp(raw_[i], asked_.at(from)[0], asked_.at(from)[1]);  // a NaN stays one
      }
    }
    for (size_t i = own_.start; i < own_.stop; ++i) raw_[i] = last_[i - own_.start];
    const size_t first = std::isnan(passed);
    const Numbers &low = low_[first], &high = high_[first];
    for (const Part& part : parts_)
      for (size_t i = part.start; i < part.stop; ++i) {
        if (raw_[i] >= low[i] && raw_[i] <= high[i]) continue;
        const std::string which = part.reading + "[" + std::to_string(part.first + i - part.start) + "] is " + shown(raw_[i]);
        if (!std::isfinite(raw_[i])) return fail(3, which);
        return fail(4, which + ", from " + shown(low[i]) + " to " + shown(high[i]) + " was expected: " +
                           (first ? "begin upright, near the default pose" : "look at its unit"));
      }
    double square = 0;
    for (size_t i = gravity_.start; i < gravity_.stop; ++i) square += raw_[i] * raw_[i];
    if (const double norm = std::sqrt(square); gravity_.stop && !(norms_[0] <= norm && norm <= norms_[1]))
      fail(4, "projected_gravity has length " + shown(norm) + ", it must be a unit vector");
  }

  void act(double time) {
    for (size_t i = 0; i < raw_.size(); ++i)
      network_->observation()[i] = static_cast<float>(std::clamp((raw_[i] - center_[i]) * factor_[i], -edge_[i], edge_[i]));
    try {
      network_->run();
    } catch (const std::exception& error) { return fail(7, error.what()); }
    action_.assign(network_->actions().begin(), network_->actions().end());
    if (!std::all_of(action_.begin(), action_.end(), [](double each) { return std::isfinite(each); }))
      return fail(7, "its actions are not finite");
    network_->remember();
    Numbers target(default_);
    for (size_t i = 0; i < target.size(); ++i) {
      last_[i] = std::clamp(action_[i], -clip_, clip_);
      target[i] += scale_ * last_[i];
    }
    due_.emplace_back(time + delay_, std::move(target));
    time_ = time;
  }

  std::vector<std::string> joints_;
  Numbers default_, stiffness_, damping_, center_, factor_, edge_;
  std::array<Numbers, 2> low_, high_;  // and those of the first step
  double control_dt_ = 0, physics_dt_ = 0, longest_ = 0, delay_ = 0, scale_ = 1, clip_ = 0;
  std::vector<Part> parts_;
  Part own_, gravity_;
  std::vector<std::array<double, 2>> asked_;
  std::array<double, 2> norms_{};
  std::unique_ptr<Network> network_;
  std::ofstream log_;
  std::string fault_;
  int code_ = 0;
  double time_ = NAN;
  bool begun_ = true;
  Numbers raw_, action_, last_, held_, row_;
  std::deque<std::pair<double, Numbers>> due_;
  Targets targets_;
};

}  // namespace locoenvs
