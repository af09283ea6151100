// deployment FOLDER STEPS NAME:SIZE:VALUE,VALUE...: the time of STEPS steps of an exported policy on readings that do not change, in microseconds, one a line.

#include "runtime.hpp"

#include <chrono>
#include <iostream>
#include <sstream>

int main(int count, char** given) {
  try {
    locoenvs::Runtime runtime(given[1], 0.0, "");
    locoenvs::Readings readings;
    for (int i = 3; i < count; ++i) {
      const std::string word = given[i];
      std::istringstream values(word.substr(word.find(':') + 1));
      for (std::string value; std::getline(values, value, ',');) readings[word.substr(0, word.find(':'))].push_back(std::stod(value));
    }
    const long steps = std::stol(given[2]);
    runtime.reset();
    for (long step = 0; step < steps; ++step) {
      const double time = static_cast<double>(step) * runtime.control_dt();
      const auto begun = std::chrono::steady_clock::now();
      const locoenvs::Targets& targets = runtime.step(time, readings, time);
      const auto spent = std::chrono::steady_clock::now() - begun;
      if (!targets.fault.empty()) throw std::runtime_error(targets.fault);
      std::cout << std::chrono::duration<double, std::micro>(spent).count() << "\n";
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
