#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/error.hpp"

namespace troupe {

/// The texts that end another one, with their tables of failures (Knuth, Morris, Pratt, SIAM J. Comput. 6, 1977).
/// Immutable; any thread.
class StopStrings {
 public:
  /// An error where there are more than 16, or one is not 1 to 256 bytes of UTF-8.
  [[nodiscard]] static Result<std::shared_ptr<const StopStrings>> create(const std::vector<std::string>& texts);

  [[nodiscard]] std::size_t count() const { return stops_.size(); }
  [[nodiscard]] const std::string& text(std::size_t stop) const { return stops_[stop].text; }

  /// How much of a stop has been seen after one more byte, when `seen` had been before; all of it: it is complete.
  [[nodiscard]] std::uint32_t next(std::size_t stop, std::uint32_t seen, char byte) const;

 private:
  struct Stop {
    std::string text;
    std::vector<std::uint32_t> failures;  ///< [bytes]: of the text up to this byte, the longest end that is a beginning
  };
  std::vector<Stop> stops_;
};

/// Looks for them in a text that comes piece by piece, wherever it is cut. Constant time for each byte and stop.
class StopSearch {
 public:
  /// `stops` may be null: then nothing is found or held back.
  explicit StopSearch(std::shared_ptr<const StopStrings> stops)
      : stops_(std::move(stops)), seen_(stops_ == nullptr ? 0 : stops_->count(), 0) {}

  struct Pushed {
    std::string shown;                   ///< what can be part of no stop any more
    const std::string* found = nullptr;  ///< the first stop to be complete; of two at the same byte the longer one
  };
  /// Takes whole characters; gives out whole ones.
  [[nodiscard]] Pushed push(std::string text);
  [[nodiscard]] std::string finish();  ///< what is held back, which is no stop after all

 private:
  [[nodiscard]] const std::string* take(char byte);

  std::shared_ptr<const StopStrings> stops_;
  std::vector<std::uint32_t> seen_;  ///< [stops]
  std::string held_;
};

}  // namespace troupe
