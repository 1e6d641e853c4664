// JSON numbers.
#pragma once

#include <cstdint>

#include "cursor.hpp"

namespace decoder {

// 128 bits in two's complement, in Arrow's order on little-endian machines.
struct Int128 {
    std::uint64_t low;
    std::uint64_t high;
};

// A whole number of 64 bits, written without point and exponent.
std::int64_t read_int64(Cursor& cursor);

// The nearest double. A number too big for one, or too small, is refused.
double read_double(Cursor& cursor);

// A number without exponent as a count of 10^-`scale`. More than `scale` digits behind the point,
// or more than `precision` - `scale` before it, are refused, zeros too.
Int128 read_decimal(Cursor& cursor, int precision, int scale);

// Checks a number of any size.
void skip_number(Cursor& cursor);

}  // namespace decoder
