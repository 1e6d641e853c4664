// A page: a list of rows, and links to where it goes on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "plan.hpp"
#include "rows.hpp"

namespace decoder {

struct Page {
    Rows rows;
    std::optional<std::string> next_link;
    std::optional<std::string> delta_link;
};

// Args:
//   plan: must live longer than the page.
//   text: JSON in UTF-8; the byte at `size` is NUL.
//
// Raises:
//   Refused: anything unusual.
//   std::bad_alloc: no memory.
Page read_page(const Plan& plan, const char* text, std::size_t size);

}  // namespace decoder
