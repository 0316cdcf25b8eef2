#include "plugins/architectures/rotations.hpp"

#include <algorithm>
#include <numbers>

#include "kernels/math.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

// Of a pair: beyond these an angle would leave what can be computed with.
constexpr double least_divisor = 0x1p-10, most_divisor = 0x1p20;

std::string_view read_type(Reader& read) {
  const std::string key = read.key("rope.scaling.type");
  if (read.file().find(key) == nullptr) return "linear";
  const auto type = read.file().string(key);
  if (!type) return read.fail(type.error()), "none";
  for (const std::string_view known : {"none", "linear", "yarn", "longrope"}) {
    if (*type == known) return known;
  }
  read.fail({Code::unsupported, read.file().path + ": " + key + " " + quoted(*type) +
                                    " is not supported; known are none, linear, yarn and longrope; " +
                                    how_to_ignore(std::vector{key})});
  return "none";
}

/// What only YaRN has a meaning for.
void must_be_without_yarn(Reader& read) {
  for (const auto& [name, none] :
       {std::pair{"rope.scaling.yarn_ext_factor", 0.0}, {"rope.scaling.yarn_attn_factor", 1.0}}) {
    const double found = read.number(name, none);
    if (found == none) continue;
    read.fail({Code::unsupported, read.file().path + ": " + read.key(name) + " is " + shown_value(found) + ", but " +
                                      read.key("rope.scaling.type") + " is not yarn; " +
                                      how_to_ignore(std::vector{read.key(name)})});
  }
}

/// The pair that turns so many times within the original context.
double pair_of(double turns, double context, const RotationShape& shape) {
  return shape.dims * kernels::log_f64(context / (turns * 2.0 * std::numbers::pi)) /
         (2.0 * kernels::log_f64(shape.theta));
}

/// Pairs that turn often are left as they are, those that turn seldom are stretched, and those between in part.
void stretch(Reader& read, double factor, double context, bool in_whole_pairs, RotationShape& shape) {
  const double extrapolated = read.number("rope.scaling.yarn_ext_factor", 1.0);
  const double fast = read.positive("rope.scaling.yarn_beta_fast", 32.0);
  const double slow = read.positive("rope.scaling.yarn_beta_slow", 1.0);
  const double from = pair_of(fast, context, shape), to = pair_of(slow, context, shape);
  const double first = std::max(0.0, in_whole_pairs ? std::floor(from) : from);
  const double last = std::min(shape.dims - 1.0, in_whole_pairs ? std::ceil(to) : to);
  for (std::uint32_t i = 0; i < shape.dims / 2; ++i) {
    const double ramp = std::clamp((i - first) / std::max(0.001, last - first), 0.0, 1.0);
    const double kept = (1.0 - ramp) * extrapolated;
    shape.divisors[i] /= kept + (1.0 - kept) / factor;
  }
  const auto magnitude = [&](double by) { return factor <= 1.0 ? 1.0 : 1.0 + 0.1 * by * kernels::log_f64(factor); };
  const double all_dims = read.number("rope.scaling.yarn_log_multiplier", 0.0);
  const double usual = magnitude(1.0) / (all_dims == 0.0 ? 1.0 : magnitude(all_dims));
  shape.factor *= read.positive("rope.scaling.yarn_attn_factor", usual);
}

/// Divides by a tensor of the file's, where it has it.
bool divide_by(Reader& read, const char* name, RotationShape& shape) {
  const FileTensor* tensor = read.file().tensor(name);
  if (tensor == nullptr) return false;
  const auto wrong = [&](const std::string& what) {
    read.fail({Code::bad_file, read.file().path + ": tensor " + name + what});
    return true;
  };
  if (tensor->format != kernels::Format::f32) return wrong(" is not F32");
  if (tensor->planes != 1 || tensor->rows != 1 || tensor->columns != shape.divisors.size()) {
    return wrong(" must have " + std::to_string(shape.divisors.size()) +
                 " elements, one for each pair that is rotated");
  }
  std::vector<float> factors(shape.divisors.size());
  kernels::info(tensor->format).dequantize(tensor->data.data(), factors.size(), factors.data());
  for (std::size_t i = 0; i < factors.size(); ++i) shape.divisors[i] *= static_cast<double>(factors[i]);
  return true;
}

}  // namespace

RotationShape read_rotation(Reader& read, const TransformerDefaults& defaults, std::uint32_t head_dim,
                            std::uint32_t context) {
  RotationShape shape{defaults.rope_style, read.integer("rope.dimension_count", head_dim, head_dim),
                      read.positive("rope.freq_base", defaults.default_theta)};
  if (shape.dims % 2 != 0) read.must_divide("rope.dimension_count", shape.dims, 2, "");
  const std::string_view type = read_type(read);
  const std::uint32_t original = read.integer("rope.scaling.original_context_length", 1U << 24, context);
  const double old_factor = read.factor("rope.scale_linear");
  const double factor = type == "none" ? 1.0 : read.factor("rope.scaling.factor", old_factor);
  shape.factor = read.positive("rope.scaling.attn_factor", 1.0);
  shape.divisors.assign(shape.dims / 2, 1.0);
  if (type == "yarn") {
    stretch(read, factor, original, defaults.yarn_in_whole_pairs, shape);
  } else {
    must_be_without_yarn(read);
    for (double& divisor : shape.divisors) divisor *= factor;
  }
  divide_by(read, frequency_factors, shape);
  const bool has = divide_by(read, context > original ? long_factors : short_factors, shape);
  if (type == "longrope" && !has) {
    read.fail({Code::bad_file, read.file().path + ": " + read.key("rope.scaling.type") +
                                   " is longrope, but tensor rope_factors_long.weight or rope_factors_short.weight is "
                                   "missing"});
  }
  for (const double divisor : shape.divisors) {
    if (divisor >= least_divisor && divisor <= most_divisor) continue;
    read.fail({Code::bad_file, read.file().path + ": " + read.key("rope.scaling") +
                                   ".* and the tensors of frequency factors divide a frequency by " +
                                   shown_value(divisor) + "; it must be between 1/1024 and 1048576"});
  }
  return shape;
}

}  // namespace troupe::plugins
