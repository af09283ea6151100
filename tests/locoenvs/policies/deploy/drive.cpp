// drive FOLDER IN OUT LOG DELAY NAME:SIZE...: runs rows of [time, now, begun, readings] and writes rows of [action, position, stiffness].
// Prints each fault as it begins, and then the median time of a step, in microseconds.

#include "runtime.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <locale>

struct Commas : std::numpunct<char> {  // 1.234,5
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\1"; }
};

int main(int count, char** given) {
  try {
    if (std::getenv("COMMAS")) std::locale::global(std::locale(std::locale::classic(), new Commas));
    locoenvs::Runtime runtime(given[1], std::stod(given[5]), given[4]);
    std::vector<std::pair<std::string, size_t>> names;
    size_t width = 3;
    for (int i = 6; i < count; ++i) {
      const std::string word = given[i];
      names.emplace_back(word.substr(0, word.find(':')), std::stoul(word.substr(word.find(':') + 1)));
      width += names.back().second;
    }
    std::ifstream in(given[2], std::ios::binary);
    std::ofstream out(given[3], std::ios::binary);
    std::vector<double> row(width), microseconds;
    std::string fault;
    const auto write = [&out](const locoenvs::Numbers& values) {
      out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(double)));
    };
    for (size_t step = 0; in.read(reinterpret_cast<char*>(row.data()), static_cast<std::streamsize>(width * sizeof(double))); ++step) {
      locoenvs::Readings readings;
      auto at = row.begin() + 3;
      for (const auto& [name, size] : names) {
        readings[name] = locoenvs::Numbers(at, at + static_cast<std::ptrdiff_t>(size));
        at += static_cast<std::ptrdiff_t>(size);
      }
      if (row[2] != 0) runtime.reset();
      const auto begun = std::chrono::steady_clock::now();
      const locoenvs::Targets& targets = runtime.step(row[0], readings, row[1]);
      microseconds.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun).count());
      if (targets.fault != fault) std::cout << step << " " << targets.fault << "\n";
      fault = targets.fault;
      write(runtime.action()), write(targets.position), write(targets.stiffness);
    }
    std::sort(microseconds.begin(), microseconds.end());
    if (!microseconds.empty()) std::cout << "median " << microseconds[microseconds.size() / 2] << " us\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
