#include "gunzip.hpp"

#include <cstdint>
#include <limits>
#include <new>

#include "cursor.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

#ifdef DECODER_LIBDEFLATE
#include <libdeflate.h>
#else
#include <zlib.h>
#endif

namespace decoder {
namespace {

// How many times its size a page may become; rows become five to thirty times as large. Room for
// all of it is made beforehand, and a few bytes must not claim gigabytes.
constexpr std::size_t MOST_TIMES = 100;

constexpr std::size_t SMALLEST = 18;  // bytes of a header and a trailer

// The last four bytes: the length, modulo 2^32.
std::uint32_t claimed_length(const char* data, std::size_t size) {
    std::uint32_t length = 0;
    for (std::size_t byte = 1; byte <= 4; ++byte) {
        length = length << 8 | static_cast<unsigned char>(data[size - byte]);
    }
    return length;
}

#ifdef DECODER_LIBDEFLATE

struct Decompressor {
    libdeflate_decompressor* handle = libdeflate_alloc_decompressor();
    ~Decompressor() { libdeflate_free_decompressor(handle); }
};

bool inflate_all(const char* data, std::size_t size, char* out, std::size_t length) {
    const Decompressor decompressor;
    if (decompressor.handle == nullptr) throw std::bad_alloc();
    std::size_t used = 0;
    std::size_t made = 0;
    const auto result = libdeflate_gzip_decompress_ex(decompressor.handle, data, size, out, length,
                                                      &used, &made);
    return result == LIBDEFLATE_SUCCESS && used == size && made == length;
}

#else

struct Inflater {
    z_stream stream{};
    ~Inflater() { inflateEnd(&stream); }
};

bool inflate_all(const char* data, std::size_t size, char* out, std::size_t length) {
    Inflater inflater;
    z_stream& stream = inflater.stream;
    constexpr int gzip = 16 + MAX_WBITS;
    if (inflateInit2(&stream, gzip) != Z_OK) throw std::bad_alloc();
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data));  // zlib only reads it
    stream.avail_in = static_cast<uInt>(size);
    stream.next_out = reinterpret_cast<Bytef*>(out);
    stream.avail_out = static_cast<uInt>(length);
    return inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0 &&
           stream.avail_out == 0;
}

#endif

// A fresh block of this size costs as much time for its thousands of pages as half of what
// libdeflate takes to fill it. Only advice: nothing depends on it.
void ask_for_huge_pages([[maybe_unused]] char* out, [[maybe_unused]] std::size_t length) {
#ifdef MADV_HUGEPAGE
    constexpr std::uintptr_t huge = std::uintptr_t{1} << 21;
    const auto begin = (reinterpret_cast<std::uintptr_t>(out) + huge - 1) & ~(huge - 1);
    const auto end = (reinterpret_cast<std::uintptr_t>(out) + length) & ~(huge - 1);
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace

std::size_t gunzipped_size(const char* data, std::size_t size) {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
    if (size < SMALLEST || size > most) throw Refused{"no compressed page"};
    const std::size_t length = claimed_length(data, size);
    if (length > most || length > MOST_TIMES * size) throw Refused{"an unusual compressed page"};
    return length;
}

void gunzip(const char* data, std::size_t size, char* out, std::size_t length) {
    ask_for_huge_pages(out, length);
    if (!inflate_all(data, size, out, length)) throw Refused{"a damaged compressed page"};
}

const char* gunzip_library() {
#ifdef DECODER_LIBDEFLATE
    return "libdeflate";
#else
    return "zlib";
#endif
}

}  // namespace decoder
