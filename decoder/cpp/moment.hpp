// Dates and times, in the one form in which Dataverse writes them.
#pragma once

#include <cstdint>

#include "cursor.hpp"

namespace decoder {

// "YYYY-MM-DD", as days since 1970.
std::int32_t read_date(Cursor& cursor);

// "YYYY-MM-DDThh:mm:ssZ" with up to six decimal places of a second, as microseconds since 1970.
std::int64_t read_moment(Cursor& cursor);

}  // namespace decoder
