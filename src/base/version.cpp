#include "hone/version.hpp"

namespace hone {
const char* version() { return HONE_VERSION; }
}  // namespace hone
