// Decompresses a page.
#pragma once

#include <cstddef>

namespace decoder {

// How long `data` will be when it is decompressed, as it says itself (RFC 1952).
//
// Raises:
//   Refused: too short to be gzip, or unusually long when decompressed.
std::size_t gunzipped_size(const char* data, std::size_t size);

// Decompresses `data` to the `length` bytes at `out`.
//
// Raises:
//   Refused: it is damaged or cut, in several members, or not of that length.
void gunzip(const char* data, std::size_t size, char* out, std::size_t length);

// The library that does it.
const char* gunzip_library();

}  // namespace decoder
