// Names of properties, and which column each of them has.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cursor.hpp"
#include "plan.hpp"

namespace decoder {

constexpr std::size_t NO_COLUMN = static_cast<std::size_t>(-1);

// One name.
struct Name {
    std::string text;        // `"name":`, filled up for `begins_with`
    std::size_t length = 0;  // without what it is filled up with
    std::size_t column = NO_COLUMN;
    // What has followed it so far. Rows of a page have their properties in the same order, except
    // that some are left out: an annotation of a lookup where the lookup is null.
    Name* likely[2] = {nullptr, nullptr};
};

class Names {
public:
    explicit Names(const Plan& plan);
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;

    // The name before the first one of a row.
    Name& start() { return start_; }

    // Reads the next name and its colon. A name with an escape is refused.
    //
    // Args:
    //   previous: the name before it in the row.
    Name& read(Cursor& cursor, Name& previous);

private:
    Name& add(std::string_view name, std::size_t column);
    Name& find(Cursor& cursor);

    std::deque<Name> names_;  // never moves its elements
    std::unordered_map<std::string, Name*> by_name_;
    std::size_t learned_ = 0;
    Name start_;
    Name other_;  // stands for all that are not kept, so it has no text
};

}  // namespace decoder
