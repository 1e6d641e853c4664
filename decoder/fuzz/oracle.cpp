#include "oracle.hpp"

#include <stdexcept>

namespace oracle {
namespace {

[[noreturn]] void fail(const char* why) { throw std::runtime_error(why); }

class Parser {
public:
    explicit Parser(const std::string& json) : json_(json) {}

    Value document() {
        Value found = value();
        space();
        if (at_ != json_.size()) fail("something behind the document");
        return found;
    }

private:
    // 0 at the end; a NUL within the text is no JSON either.
    char next() const { return at_ < json_.size() ? json_[at_] : '\0'; }

    void space() {
        while (next() == ' ' || next() == '\t' || next() == '\r' || next() == '\n') ++at_;
    }

    void take(char wanted) {
        space();
        if (next() != wanted) fail("another character was expected");
        ++at_;
    }

    bool follows(char wanted) {
        space();
        return next() == wanted;
    }

    Value value() {
        space();
        Value found;
        found.kind = next();
        switch (found.kind) {
            case '{':
                object(found);
                break;
            case '[':
                list(found);
                break;
            case '"':
                found.text = string();
                break;
            case 'n':
                found.text = word("null");
                break;
            case 't':
                found.text = word("true");
                break;
            case 'f':
                found.text = word("false");
                break;
            default:
                found.kind = 0;
                found.text = number();
        }
        return found;
    }

    void object(Value& found) {
        take('{');
        while (!follows('}')) {
            if (!found.items.empty()) take(',');
            space();
            found.names.push_back(string());
            take(':');
            found.items.push_back(value());
        }
        take('}');
    }

    void list(Value& found) {
        take('[');
        while (!follows(']')) {
            if (!found.items.empty()) take(',');
            found.items.push_back(value());
        }
        take(']');
    }

    std::string word(const std::string& wanted) {
        if (json_.compare(at_, wanted.size(), wanted) != 0) fail("an unknown word");
        at_ += wanted.size();
        return wanted;
    }

    std::string number() {
        const std::size_t begin = at_;
        if (next() == '-') ++at_;
        const std::size_t whole = at_;
        if (digits() > 1 && json_[whole] == '0') fail("a zero before a number");
        if (next() == '.') {
            ++at_;
            digits();
        }
        if (next() == 'e' || next() == 'E') {
            ++at_;
            if (next() == '+' || next() == '-') ++at_;
            digits();
        }
        return json_.substr(begin, at_ - begin);
    }

    // How many there are; at least one.
    std::size_t digits() {
        const std::size_t begin = at_;
        while (next() >= '0' && next() <= '9') ++at_;
        if (at_ == begin) fail("not a number");
        return at_ - begin;
    }

    std::string string() {
        if (next() != '"') fail("no string");
        ++at_;
        std::string found;
        while (next() != '"') {
            if (at_ >= json_.size()) fail("a string without an end");
            if (static_cast<unsigned char>(next()) < 0x20) fail("a control character");
            if (next() == '\\') {
                escape(found);
            } else if (static_cast<unsigned char>(next()) < 0x80) {
                found += json_[at_++];
            } else {
                found += encoded(beyond_ascii());
            }
        }
        ++at_;
        return found;
    }

    void escape(std::string& found) {
        ++at_;
        const char kind = next();
        ++at_;
        const std::string kinds = "\"\\/bfnrt";
        const std::string meant = "\"\\/\b\f\n\r\t";
        const auto place = kinds.find(kind);
        if (kind != '\0' && place != std::string::npos) {
            found += meant[place];
        } else if (kind == 'u') {
            unsigned code = hex();
            if (code >= 0xD800 && code < 0xDC00 && json_.compare(at_, 2, "\\u") == 0) {
                at_ += 2;
                const unsigned low = hex();
                if (low < 0xDC00 || low > 0xDFFF) fail("half of a pair");
                code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
            }
            found += encoded(code);
        } else {
            fail("an unknown escape");
        }
    }

    unsigned hex() {
        const std::string four = json_.substr(at_, 4);
        if (four.size() != 4 ||
            four.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
            fail("no four digits");
        }
        at_ += 4;
        return static_cast<unsigned>(std::stoul(four, nullptr, 16));
    }

    // Decodes and encodes again: what is not the shortest form does not come out as it went in.
    unsigned beyond_ascii() {
        const auto first = static_cast<unsigned char>(json_[at_]);
        const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
        if (first < 0xC0 || first >= 0xF8 || at_ + length > json_.size()) fail("not UTF-8");
        unsigned code = first & (0xFFu >> (length + 1));
        for (std::size_t index = 1; index < length; ++index) {
            const auto byte = static_cast<unsigned char>(json_[at_ + index]);
            if ((byte & 0xC0) != 0x80) fail("not UTF-8");
            code = code << 6 | (byte & 0x3Fu);
        }
        if (encoded(code) != json_.substr(at_, length)) fail("not UTF-8");
        at_ += length;
        return code;
    }

    static std::string encoded(unsigned code) {
        if (code >= 0xD800 && code <= 0xDFFF) fail("half of a pair");
        if (code > 0x10FFFF) fail("no character");
        std::string bytes;
        if (code < 0x80) return {static_cast<char>(code)};
        if (code < 0x800) {
            bytes += static_cast<char>(0xC0 + code / 64);
        } else {
            if (code < 0x10000) {
                bytes += static_cast<char>(0xE0 + code / 4096);
            } else {
                bytes += static_cast<char>(0xF0 + code / 262144);
                bytes += static_cast<char>(0x80 + code / 4096 % 64);
            }
            bytes += static_cast<char>(0x80 + code / 64 % 64);
        }
        bytes += static_cast<char>(0x80 + code % 64);
        return bytes;
    }

    const std::string& json_;
    std::size_t at_ = 0;
};

}  // namespace

Value parse(const std::string& json) { return Parser(json).document(); }

const Value* member(const Value& object, const std::string& name) {
    const Value* found = nullptr;
    for (std::size_t index = 0; index < object.names.size(); ++index) {
        if (object.names[index] == name) found = &object.items[index];
    }
    return found;
}

}  // namespace oracle
