#include "kernels/floating_point.hpp"

#include <cstdint>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

namespace troupe::kernels {
namespace {

/// What the outermost scope of this thread will put back; null outside of one.
thread_local const std::fenv_t* host_state = nullptr;

#ifdef __aarch64__
/// FPCR.
void set_control(std::uint64_t bits) { asm volatile("msr fpcr, %0" : : "r"(bits)); }
#endif

void restore(const std::fenv_t& state) {
  std::fesetenv(&state);
#ifdef __aarch64__
  set_control(state.__fpcr);  // of which the C library keeps some bits as they are
#endif
}

}  // namespace

void set_floating_point_mode() {
  std::fesetenv(FE_DFL_ENV);
  // C says nothing of the bits that flush denormals, or on ARM make every NaN the default one.
#if defined(__x86_64__)
  constexpr unsigned all_masked_nearest = 0x1F80;
  _mm_setcsr(all_masked_nearest);
#elif defined(__aarch64__)
  set_control(0);
#endif
}

FloatingPointScope::FloatingPointScope() : outermost_(host_state == nullptr) {
  if (!outermost_) return;
  std::fegetenv(&host_);
  host_state = &host_;
  set_floating_point_mode();
}

FloatingPointScope::~FloatingPointScope() {
  if (!outermost_) return;
  host_state = nullptr;
  restore(host_);
}

HostFloatingPointScope::HostFloatingPointScope() : host_(host_state) {
  host_state = nullptr;
  if (host_ != nullptr) restore(*host_);
}

HostFloatingPointScope::~HostFloatingPointScope() {
  host_state = host_;
  set_floating_point_mode();
}

}  // namespace troupe::kernels
