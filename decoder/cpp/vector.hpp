// Sixteen bytes at a time, where the processor can (SSE2 is part of every x86-64); else one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__) || defined(_M_X64)
#define DECODER_SSE2 1
#include <emmintrin.h>

#include <bit>
#endif

namespace decoder {

constexpr std::size_t VECTOR = 16;
constexpr std::size_t BLOCK = 2 * VECTOR;

#ifdef DECODER_SSE2

// A bit for each byte of two blocks: whether they are the same.
inline std::uint32_t equal_bytes(const char* left, const char* right) {
    const auto half = [&](std::size_t offset) {
        const __m128i one = _mm_loadu_si128(reinterpret_cast<const __m128i*>(left + offset));
        const __m128i two = _mm_loadu_si128(reinterpret_cast<const __m128i*>(right + offset));
        return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(one, two)));
    };
    return half(0) | half(VECTOR) << VECTOR;
}

#endif

// Whether a byte of a JSON string needs a closer look: the quote that ends it, a backslash, a
// control character (forbidden), or a byte beyond ASCII (must be UTF-8).
inline bool is_special(char byte) {
    const auto code = static_cast<unsigned char>(byte);
    return code < 0x20 || code >= 0x80 || code == '"' || code == '\\';
}

// The first special byte from `at` on. There is always one: the NUL at `end`.
inline const char* find_special(const char* at, const char* end) {
#ifdef DECODER_SSE2
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);
    while (static_cast<std::size_t>(end - at) >= VECTOR) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        // Signed: bytes beyond ASCII are negative, so "less than a space" finds them as well.
        const __m128i low = _mm_cmplt_epi8(bytes, space);
        const __m128i ends =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        const auto found = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, ends)));
        if (found != 0) return at + std::countr_zero(found);
        at += VECTOR;
    }
#endif
    (void)end;
    while (!is_special(*at)) ++at;
    return at;
}

// Whether the text at `at` begins with the `length` bytes of `wanted`; `length` is not 0. No text
// begins with more bytes than it has, which are then not looked at.
//
// Args:
//   wanted: can be read up to the next multiple of `BLOCK`.
inline bool begins_with(const char* at, const char* end, const char* wanted, std::size_t length) {
    const auto left = static_cast<std::size_t>(end - at);
    if (left < length) return false;
#ifdef DECODER_SSE2
    if (left >= (length + BLOCK - 1) / BLOCK * BLOCK) {
        std::size_t done = 0;
        for (; length - done > BLOCK; done += BLOCK) {
            if (equal_bytes(at + done, wanted + done) != 0xFFFFFFFFu) return false;
        }
        // Two vectors for every name of up to 32 bytes: no branch on how long it is.
        const std::uint32_t counted = 0xFFFFFFFFu >> (BLOCK - (length - done));
        return (equal_bytes(at + done, wanted + done) & counted) == counted;
    }
#endif
    return std::memcmp(at, wanted, length) == 0;
}

}  // namespace decoder
