// Values that no column reads.
#pragma once

#include "cursor.hpp"

namespace decoder {

// Goes over a value of any kind, and checks all of it: a page that is damaged where nobody looks
// is damaged.
void skip_value(Cursor& cursor);

}  // namespace decoder
