// Work that is counted, as a live line on stderr: "quantizing 12/32  [====>   ]  38 %  0:41  1:08 left".
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace hone::cli {

// To be called with what is done and all there is; begins anew where the count does. Says nothing of what
// takes less than two seconds.
std::function<void(std::int64_t done, std::int64_t all)> counted(const std::string& what);

}  // namespace hone::cli
