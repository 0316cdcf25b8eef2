#pragma once

#include <locale>
#include <string>

namespace troupe::testing {

/// The C++ locale of a host that writes 8.192,5: numbers in groups, a comma before what is no whole. As long as it
/// lives.
class ForeignLocale {
 public:
  ForeignLocale() : before_(std::locale::global(std::locale(std::locale::classic(), new Numbers))) {}
  ~ForeignLocale() { std::locale::global(before_); }
  ForeignLocale(const ForeignLocale&) = delete;
  ForeignLocale& operator=(const ForeignLocale&) = delete;

 private:
  struct Numbers : std::numpunct<char> {
    [[nodiscard]] char do_decimal_point() const override { return ','; }
    [[nodiscard]] char do_thousands_sep() const override { return '.'; }
    [[nodiscard]] std::string do_grouping() const override { return "\1"; }
    [[nodiscard]] std::string do_truename() const override { return "wahr"; }
    [[nodiscard]] std::string do_falsename() const override { return "falsch"; }
  };
  std::locale before_;
};

}  // namespace troupe::testing
