#include "runtime/cli/logits_report.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <new>
#include <numeric>

#include "runtime/cli/output.hpp"

namespace troupe::cli {
namespace {

/// Best first; of equals the lowest id.
std::vector<TokenId> likeliest(std::span<const float> logits, std::size_t count) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto better = [logits](TokenId a, TokenId b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(std::min(count, ids.size()));
  std::partial_sort(ids.begin(), end, ids.end(), better);
  ids.erase(end, ids.end());
  return ids;
}

std::vector<double> log_softmax(std::span<const float> logits, std::span<const TokenId> ids) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  std::vector<double> values;
  for (const TokenId id : ids) values.push_back(logits[static_cast<std::size_t>(id)] - most - std::log(sum));
  return values;
}

}  // namespace

Digest::Digest() : state_(XXH3_createState(), XXH3_freeState) {
  if (!state_) throw std::bad_alloc();
  XXH3_64bits_reset(state_.get());
}

void Digest::update(std::span<const float> values) {
  XXH3_64bits_update(state_.get(), values.data(), values.size_bytes());
}

std::string Digest::hex() const {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(XXH3_64bits_digest(state_.get())));
  return digits;
}

RawFile::RawFile(const std::string& name) : name_(name), file_(std::fopen(name.c_str(), "wb"), std::fclose) {
  if (!file_) fail();
}

void RawFile::write(std::span<const float> values) {
  if (std::fwrite(values.data(), sizeof(float), values.size(), file_.get()) != values.size()) fail();
}

void RawFile::close() {
  if (std::fclose(file_.release()) != 0) fail();
}

void RawFile::fail() const { throw Error(Code::failed, "cannot write " + name_ + ": " + std::strerror(errno)); }

LogitsReport::LogitsReport(std::size_t positions, bool hash_all, const std::optional<std::string>& raw)
    : positions_(positions), hash_all_(hash_all) {
  if (raw) raw_.emplace(*raw);
}

void LogitsReport::add(std::span<const float> logits) {
  argmax_.push_back(static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  const bool is_last = argmax_.size() == positions_;
  if (hash_all_ || is_last) digest_.update(logits);
  if (raw_) raw_->write(logits);
  if (is_last) last_.assign(logits.begin(), logits.end());
}

std::string LogitsReport::json(std::size_t top) {
  if (argmax_.size() != positions_ || last_.empty()) {
    throw Error(Code::failed,
                "logits of " + std::to_string(argmax_.size()) + " positions came, of " + std::to_string(positions_));
  }
  if (!std::all_of(last_.begin(), last_.end(), [](float logit) { return std::isfinite(logit); })) {
    throw Error(Code::out_of_range, "the last position's logits are not all finite numbers");
  }
  if (raw_) raw_->close();
  const auto ids = likeliest(last_, top);
  const auto logprob = log_softmax(last_, ids);
  return "{\"ids\":" + json_list(std::span<const TokenId>(ids)) +
         ",\"logprob\":" + json_list(std::span<const double>(logprob)) +
         ",\"argmax\":" + json_list(std::span<const TokenId>(argmax_)) + ",\"hash\":\"" + digest_.hex() + "\"}\n";
}

}  // namespace troupe::cli
