// The filters, tests and methods that templates may use, by name.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hone::jinja {

bool has_filter(std::string_view name);
bool has_test(std::string_view name);
std::vector<std::string> filter_names();
std::vector<std::string> test_names();
// ": did you mean X?", or nothing.
std::string like(const std::string& name, const std::vector<std::string>& all);

}  // namespace hone::jinja
