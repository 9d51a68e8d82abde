#include "base/float_mode.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hone {

#if defined(__x86_64__)
constexpr unsigned standard_mode = 0x1f80;  // all exceptions masked, nearest, no flush, denormals read
void set_standard_float_mode() { _mm_setcsr(standard_mode); }
FloatModeGuard::FloatModeGuard() : saved_(_mm_getcsr()) { _mm_setcsr(standard_mode); }
FloatModeGuard::~FloatModeGuard() { _mm_setcsr(saved_); }
#else
void set_standard_float_mode() {}
FloatModeGuard::FloatModeGuard() : saved_(0) {}
FloatModeGuard::~FloatModeGuard() { (void)saved_; }
#endif

}  // namespace hone
