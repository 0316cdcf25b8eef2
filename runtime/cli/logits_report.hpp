#pragma once

#include <xxhash.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "troupe/runtime.hpp"

namespace troupe::cli {

/// A 64-bit hash (XXH3) of float bits, as a stream.
class Digest {
 public:
  Digest();
  void update(std::span<const float> values);
  [[nodiscard]] std::string hex() const;  ///< 16 digits

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

/// A file of float32 in the machine's order. Its functions throw Error where the file cannot be written.
class RawFile {
 public:
  explicit RawFile(const std::string& name);
  void write(std::span<const float> values);
  void close();

 private:
  [[noreturn]] void fail() const;

  std::string name_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

/// What `troupe logits` tells of the positions, gathered as they come: only the last one's logits are kept.
class LogitsReport {
 public:
  /// `hash_all`: hash every position, not just the last; `raw`: write every position there.
  LogitsReport(std::size_t positions, bool hash_all, const std::optional<std::string>& raw);

  /// Takes the next position's logits, [vocabulary].
  void add(std::span<const float> logits);

  /// One object, on one line: the last position's `top` likeliest, every position's likeliest, the hash.
  /// Throws Error where positions are missing, or the last one's logits are not numbers.
  [[nodiscard]] std::string json(std::size_t top);

 private:
  std::size_t positions_;
  bool hash_all_;
  std::optional<RawFile> raw_;
  Digest digest_;
  std::vector<TokenId> argmax_;
  std::vector<float> last_;
};

}  // namespace troupe::cli
