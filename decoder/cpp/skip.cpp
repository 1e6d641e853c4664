#include "skip.hpp"

#include "number.hpp"
#include "text.hpp"

namespace decoder {
namespace {

constexpr int MAX_DEPTH = 64;  // bounds the stack; pages of Dataverse are five deep

void skip(Cursor& cursor, int depth);

void skip_object(Cursor& cursor, int depth) {
    ++cursor.at;
    if (cursor.take('}')) return;
    do {
        cursor.skip_space();
        skip_text(cursor);
        cursor.expect(':', "a member without a colon");
        skip(cursor, depth);
    } while (cursor.take(','));
    cursor.expect('}', "an object without an end");
}

void skip_array(Cursor& cursor, int depth) {
    ++cursor.at;
    if (cursor.take(']')) return;
    do {
        skip(cursor, depth);
    } while (cursor.take(','));
    cursor.expect(']', "a list without an end");
}

void skip(Cursor& cursor, int depth) {
    if (depth == 0) throw Refused{"too deep"};
    switch (cursor.peek()) {
        case '"':
            return skip_text(cursor);
        case '{':
            return skip_object(cursor, depth - 1);
        case '[':
            return skip_array(cursor, depth - 1);
        case 'n':
            return cursor.expect_word("null", "an unknown word");
        case 't':
            return cursor.expect_word("true", "an unknown word");
        case 'f':
            return cursor.expect_word("false", "an unknown word");
        default:
            return skip_number(cursor);
    }
}

}  // namespace

void skip_value(Cursor& cursor) { skip(cursor, MAX_DEPTH); }

}  // namespace decoder
