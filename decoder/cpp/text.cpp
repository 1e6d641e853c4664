#include "text.hpp"

#include <cstdint>

#include "vector.hpp"

namespace decoder {
namespace {

struct Keep {
    Buffer& text;
    void append(const char* bytes, std::size_t count) { text.append(bytes, count); }
};

struct Drop {
    void append(const char*, std::size_t) {}
};

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// The end of the characters beyond ASCII that begin at `at` (Unicode standard, table 3-7: no
// overlong forms, no surrogates, nothing above U+10FFFF).
const char* after_utf8(const char* at) {
    while (static_cast<unsigned char>(*at) >= 0x80) {
        const auto first = static_cast<unsigned char>(*at);
        // Read one after the other: the NUL at the end of the text is no continuation.
        if (!is_continuation(at[1])) throw Refused{"not UTF-8"};
        const auto second = static_cast<unsigned char>(at[1]);
        if (first >= 0xC2 && first <= 0xDF) {
            at += 2;
            continue;
        }
        if (!is_continuation(at[2])) throw Refused{"not UTF-8"};
        if (first >= 0xE0 && first <= 0xEF) {
            if (first == 0xE0 && second < 0xA0) throw Refused{"not UTF-8"};
            if (first == 0xED && second > 0x9F) throw Refused{"not UTF-8"};
            at += 3;
            continue;
        }
        if (first < 0xF0 || first > 0xF4 || !is_continuation(at[3])) throw Refused{"not UTF-8"};
        if (first == 0xF0 && second < 0x90) throw Refused{"not UTF-8"};
        if (first == 0xF4 && second > 0x8F) throw Refused{"not UTF-8"};
        at += 4;
    }
    return at;
}

// The four digits behind `\u`.
std::uint32_t hex(Cursor& cursor) {
    std::uint32_t code = 0;
    for (int digit = 0; digit < 4; ++digit, ++cursor.at) {
        const char byte = *cursor.at;
        std::uint32_t value = 0;
        if (byte >= '0' && byte <= '9') {
            value = static_cast<std::uint32_t>(byte - '0');
        } else if (byte >= 'a' && byte <= 'f') {
            value = static_cast<std::uint32_t>(byte - 'a' + 10);
        } else if (byte >= 'A' && byte <= 'F') {
            value = static_cast<std::uint32_t>(byte - 'A' + 10);
        } else {
            throw Refused{"an unknown escape"};
        }
        code = code << 4 | value;
    }
    return code;
}

// The character of `\u....`, of which two make one beyond U+FFFF.
std::uint32_t code_point(Cursor& cursor) {
    const std::uint32_t code = hex(cursor);
    if (code < 0xD800 || code > 0xDFFF) return code;
    if (code > 0xDBFF) throw Refused{"half of a surrogate pair"};
    cursor.expect_word("\\u", "half of a surrogate pair");
    const std::uint32_t low = hex(cursor);
    if (low < 0xDC00 || low > 0xDFFF) throw Refused{"half of a surrogate pair"};
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

template <typename Sink>
void append_utf8(std::uint32_t code, Sink& sink) {
    char bytes[4];
    std::size_t count = 0;
    const auto put = [&](std::uint32_t byte) { bytes[count++] = static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | code >> 6);
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    }
    sink.append(bytes, count);
}

// `cursor` is behind the backslash.
template <typename Sink>
void unescape(Cursor& cursor, Sink& sink) {
    const char kind = *cursor.at++;
    char byte = kind;
    switch (kind) {
        case '"':
        case '\\':
        case '/':
            break;
        case 'b':
            byte = '\b';
            break;
        case 'f':
            byte = '\f';
            break;
        case 'n':
            byte = '\n';
            break;
        case 'r':
            byte = '\r';
            break;
        case 't':
            byte = '\t';
            break;
        case 'u':
            append_utf8(code_point(cursor), sink);
            return;
        default:
            throw Refused{"an unknown escape"};
    }
    sink.append(&byte, 1);
}

template <typename Sink>
void read(Cursor& cursor, Sink sink) {
    if (*cursor.at != '"') throw Refused{"not a text"};
    ++cursor.at;
    while (true) {
        const char* const plain = cursor.at;
        const char* special = find_special(plain, cursor.end);
        if (static_cast<unsigned char>(*special) >= 0x80) special = after_utf8(special);
        sink.append(plain, static_cast<std::size_t>(special - plain));
        cursor.at = special;
        if (!is_special(*special)) continue;  // plain text behind characters beyond ASCII
        ++cursor.at;
        if (*special == '"') return;
        if (*special != '\\') throw Refused{"a control character in a text, or its end is missing"};
        unescape(cursor, sink);
    }
}

}  // namespace

void read_text(Cursor& cursor, Buffer& text) { read(cursor, Keep{text}); }

void skip_text(Cursor& cursor) { read(cursor, Drop{}); }

}  // namespace decoder
