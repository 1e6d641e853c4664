// A second reading of a page, slow and plain, that shares no code with the decoder.
#pragma once

#include <string>
#include <vector>

namespace oracle {

struct Value {
    // What it begins with: { [ " n t f, or 0 for a number.
    char kind = 0;
    std::string text;  // of a string its UTF-8, else the characters as they stand
    std::vector<std::string> names;  // of an object, one for each item
    std::vector<Value> items;
};

// Raises:
//   std::runtime_error: not JSON (RFC 8259), or not UTF-8.
Value parse(const std::string& json);

// The last member of that name; nullptr where there is none.
const Value* member(const Value& object, const std::string& name);

}  // namespace oracle
