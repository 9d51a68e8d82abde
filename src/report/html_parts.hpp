// What the pages share: the document around them, its sections.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "hone/report.hpp"

namespace hone {

// What each document begins with, by which it is known again.
extern const std::string_view html_begin;
// A whole document; `body` is markup, the others are plain text, as everywhere below.
std::string html_page(std::string_view title, std::string_view subtitle, const std::string& body);
std::string html_section(std::string_view title, std::string_view note, const std::string& body);
std::string html_command(const std::string& command);

// The table of compressions and a plot of bytes against perplexity; empty where there are no rows.
std::string compression_section(const std::vector<CompressionRow>& rows, std::string_view note);

}  // namespace hone
