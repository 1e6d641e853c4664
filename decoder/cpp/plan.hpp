// What is read from a row: the names of the properties, and the type of each.
#pragma once

#include <string>
#include <vector>

namespace decoder {

enum class Kind { text, int64, boolean, float64, decimal128, timestamp, date32 };

struct Field {
    std::string name;    // of the property, as in JSON
    std::string format;  // Arrow's own short form of the type (C data interface)
    Kind kind = Kind::text;
    int precision = 0;  // of a decimal
    int scale = 0;
};

using Plan = std::vector<Field>;

// A field from its Arrow format: u, l, b, g, d:precision,scale, tsu:zone or tdD.
//
// Raises:
//   std::invalid_argument: the decoder has no such type.
Field make_field(std::string name, std::string format);

// Bytes of one value; a text has an offset of 4 bytes, a boolean one bit (0).
std::size_t width(Kind kind);

}  // namespace decoder
