// Names of properties, and which column each of them has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cursor.hpp"
#include "plan.hpp"
#include "vector.hpp"

namespace decoder {

// Where a name is kept: an index, so that a row's worth of names takes little of the cache.
using NameId = std::uint32_t;

class Names {
public:
    static constexpr std::size_t NO_COLUMN = static_cast<std::size_t>(-1);
    static constexpr NameId START = 0;  // stands before the first name of a row

    explicit Names(const Plan& plan);

    // Reads the next name and its colon. A name with an escape is refused.
    //
    // Args:
    //   previous: the name before it in the row.
    NameId read(Cursor& cursor, NameId previous) {
        for (const NameId likely : names_[previous].likely) {
            const Name& name = names_[likely];
            if (begins_with(cursor.at, cursor.end, &texts_[name.text], name.length)) {
                cursor.at += name.length;
                return likely;
            }
        }
        return find(cursor, previous);
    }

    // The index of its field in the plan, or `NO_COLUMN`.
    std::size_t column(NameId name) const { return names_[name].column; }

private:
    static constexpr NameId NOTHING = 1;  // a name that no text begins with
    static constexpr NameId OTHER = 2;    // stands for all names that are not kept

    struct Name {
        std::size_t column = NO_COLUMN;
        std::uint32_t text = 0;    // where `"name":` begins in `texts_`
        std::uint32_t length = 0;  // of it
        // What has followed it so far. Rows of a page have their properties in the same order,
        // except that some are left out: an annotation of a lookup where the lookup is null.
        NameId likely[2] = {NOTHING, NOTHING};
    };

    NameId add(std::string_view name, std::size_t column);
    NameId find(Cursor& cursor, NameId previous);
    NameId find_or_learn(std::string_view name);

    std::vector<Name> names_;
    std::string texts_;  // each filled up as `begins_with` wants it
    std::unordered_map<std::string, NameId> by_name_;
    std::size_t learned_ = 0;
};

}  // namespace decoder
