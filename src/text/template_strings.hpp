// Python's strings over UTF-8: positions count code points, white space is what str.isspace() says.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone::jinja {

bool is_space(std::uint32_t c);
bool all_space(std::string_view s);  // false for nothing, like str.isspace()
std::string_view stripped_left(std::string_view s, std::optional<std::string_view> of = {});
std::string_view stripped_right(std::string_view s, std::optional<std::string_view> of = {});
std::string_view stripped(std::string_view s, std::optional<std::string_view> of = {});

std::int64_t length(std::string_view s);  // code points
std::vector<std::string_view> characters(std::string_view s);
std::vector<std::string_view> lines(std::string_view s);  // str.splitlines()

std::string upper(std::string_view s);
std::string lower(std::string_view s);
std::string title(std::string_view s);        // str.title(): a capital behind whatever is no letter
std::string titled(std::string_view s);       // Jinja's filter "title": behind spaces and - ( { [ < alone
std::string capitalized(std::string_view s);  // the first one, the others lower

std::string replaced(std::string_view s, std::string_view from, std::string_view to, std::int64_t most);
std::string quoted(std::string_view s);  // repr()

}  // namespace hone::jinja
