// Hands rows over by the Arrow C data interface, without copying them.
#pragma once

#include "arrow_abi.h"
#include "plan.hpp"
#include "rows.hpp"

namespace decoder {

// A struct of all fields. `out` owns all that it points to.
void export_schema(const Plan& plan, ArrowSchema* out);

// The rows as one array of structs; `rows` is used up.
void export_rows(Rows&& rows, ArrowArray* out);

}  // namespace decoder
