// Sixteen bytes at a time, where the processor can (SSE2 is part of every x86-64); else one.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(__SSE2__) || defined(_M_X64)
#define DECODER_SSE2 1
#include <emmintrin.h>

#include <bit>
#endif

namespace decoder {

constexpr std::size_t VECTOR = 16;

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

// Whether the text at `at` begins with the `length` bytes of `wanted`.
//
// Args:
//   wanted: can be read up to the next multiple of `VECTOR`.
inline bool begins_with(const char* at, const char* end, const char* wanted, std::size_t length) {
    const auto left = static_cast<std::size_t>(end - at);
    if (left < length) return false;
#ifdef DECODER_SSE2
    if (left >= (length + VECTOR - 1) / VECTOR * VECTOR) {
        for (std::size_t done = 0; done < length; done += VECTOR) {
            const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + done));
            const __m128i there = _mm_loadu_si128(reinterpret_cast<const __m128i*>(wanted + done));
            auto same = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(here, there)));
            if (length - done < VECTOR) same |= 0xFFFFu << (length - done);
            if ((same & 0xFFFFu) != 0xFFFFu) return false;
        }
        return true;
    }
#endif
    return std::memcmp(at, wanted, length) == 0;
}

}  // namespace decoder
