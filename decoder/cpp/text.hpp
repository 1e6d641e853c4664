// JSON strings.
#pragma once

#include "buffer.hpp"
#include "cursor.hpp"

namespace decoder {

// Reads the string that begins at the quote at `cursor` and appends its text, as UTF-8, to `text`.
void read_text(Cursor& cursor, Buffer& text);

// Checks the same string without keeping it.
void skip_text(Cursor& cursor);

}  // namespace decoder
