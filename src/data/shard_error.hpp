// How shards that are not what they should be are refused.
#pragma once
#include <string>

#include "hone/error.hpp"

namespace hone {

[[noreturn]] inline void refuse_shards(const std::string& where, std::string what, std::string expected = {},
                                       std::string found = {}) {
  throw Error(ErrorKind::input, {.what = std::move(what),
                                 .where = where,
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = "make the shards anew: hone data build"});
}

}  // namespace hone
