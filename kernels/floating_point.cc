#include "kernels/floating_point.hpp"

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

namespace troupe::kernels {
namespace {

/// What the outermost scope of this thread will put back; null outside of one.
thread_local const std::fenv_t* host_state = nullptr;

}  // namespace

void set_floating_point_mode() {
  std::fesetenv(FE_DFL_ENV);
#ifdef __x86_64__
  constexpr unsigned all_masked_nearest = 0x1F80;
  _mm_setcsr(all_masked_nearest);  // C says nothing of the bits that flush denormals
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
  std::fesetenv(&host_);
}

HostFloatingPointScope::HostFloatingPointScope() : host_(host_state) {
  host_state = nullptr;
  if (host_ != nullptr) std::fesetenv(host_);
}

HostFloatingPointScope::~HostFloatingPointScope() {
  host_state = host_;
  set_floating_point_mode();
}

}  // namespace troupe::kernels
