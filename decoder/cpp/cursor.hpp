// A place in the text of a page, and the way to refuse it.
#pragma once

#include <cstddef>
#include <cstring>

namespace decoder {

// Thrown at whatever is unusual. Refusing is no judgement: the caller decodes the page in another
// way, which finds out whether the page is wrong and says so to the user.
struct Refused {
    const char* why;
};

// The text is `[at, end)`. The byte at `end` can be read and is NUL. No rule of the grammar takes
// a NUL, so one byte can always be looked at without asking whether there is one; whoever looks
// at more bytes than one asks `left()` first.
struct Cursor {
    const char* at;
    const char* end;

    std::size_t left() const { return static_cast<std::size_t>(end - at); }

    void skip_space() {
        if (*at > ' ') return;  // nearly always
        while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') ++at;
    }

    // The next byte that is no space, which stays where it is.
    char peek() {
        skip_space();
        return *at;
    }

    bool take(char wanted) {
        if (peek() != wanted) return false;
        ++at;
        return true;
    }

    void expect(char wanted, const char* why) {
        if (!take(wanted)) throw Refused{why};
    }

    // `word` must be the next text.
    template <std::size_t Size>
    void expect_word(const char (&word)[Size], const char* why) {
        constexpr std::size_t length = Size - 1;  // without the NUL of the literal
        if (left() < length || std::memcmp(at, word, length) != 0) throw Refused{why};
        at += length;
    }
};

}  // namespace decoder
