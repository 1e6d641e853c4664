// Decompresses a page.
#pragma once

#include <cstddef>

#include "buffer.hpp"

namespace decoder {

// Whether `data` begins as gzip does (RFC 1952); no JSON does.
bool is_gzip(const char* data, std::size_t size);

// What was compressed, and a NUL behind it that does not count.
//
// Raises:
//   Refused: `data` is damaged or unusual: several members, or much larger when decompressed.
Buffer gunzip(const char* data, std::size_t size);

// The library that does it.
const char* gunzip_library();

}  // namespace decoder
