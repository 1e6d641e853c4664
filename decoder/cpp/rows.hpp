// The columns of a page while they are filled, in Arrow's layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "cursor.hpp"
#include "plan.hpp"

namespace decoder {

// One column. A value that is not written is null.
struct Column {
    const Field* field = nullptr;
    Buffer validity;  // a bit for each row
    Buffer values;    // of a text the offsets, of a boolean bits
    Buffer text;      // UTF-8 of all rows
};

class Rows {
public:
    // `plan` must live longer.
    explicit Rows(const Plan& plan);

    std::size_t count() const { return count_; }
    std::vector<Column>& columns() { return columns_; }
    const std::vector<Column>& columns() const { return columns_; }

    // Makes room for a row.
    //
    // Args:
    //   read: bytes of the page that the rows so far have taken.
    //   left: bytes that are still to come. Both tell how many rows there will be.
    void begin_row(std::size_t read, std::size_t left) {
        if (count_ == capacity_) grow(read, left);
    }

    // Reads the value of a property of this row. A second one of the same name is refused.
    void read_value(std::size_t column, Cursor& cursor) {
        if (seen_[column] == count_ + 1) throw Refused{"a property is there twice"};
        seen_[column] = static_cast<std::uint32_t>(count_ + 1);
        if (cursor.peek() == 'n') return cursor.expect_word("null", "an unknown word");
        read_present(column, cursor);
    }

    void end_row();

    std::int64_t null_count(const Column& column) const;

private:
    void read_present(std::size_t column, Cursor& cursor);
    void grow(std::size_t read, std::size_t left);
    void set_capacity(std::size_t capacity);

    std::vector<Column> columns_;
    std::vector<std::size_t> texts_;   // which of them are text
    // By column the last row, counted from 1, that has had the property. Apart from the columns:
    // a null touches nothing else.
    std::vector<std::uint32_t> seen_;
    std::size_t count_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace decoder
