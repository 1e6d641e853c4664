#include "rows.hpp"

#include <algorithm>
#include <bit>

#include "moment.hpp"
#include "number.hpp"
#include "text.hpp"

namespace decoder {
namespace {

static_assert(std::endian::native == std::endian::little, "Int128 has its low half first");

constexpr std::size_t FIRST_CAPACITY = 64;

template <typename T>
void put(Column& column, std::size_t row, T value) {
    std::memcpy(column.values.data() + row * sizeof(T), &value, sizeof(T));
}

void set_bit(Buffer& bits, std::size_t row) {
    char& byte = bits.data()[row / 8];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | 1u << row % 8);
}

bool read_bool(Cursor& cursor) {
    if (*cursor.at == 't') {
        cursor.expect_word("true", "not a boolean");
        return true;
    }
    cursor.expect_word("false", "not a boolean");
    return false;
}

void read_into(Column& column, std::size_t row, Cursor& cursor) {
    const Field& field = *column.field;
    switch (field.kind) {
        case Kind::text:
            return read_text(cursor, column.text);
        case Kind::int64:
            return put(column, row, read_int64(cursor));
        case Kind::boolean:
            if (read_bool(cursor)) set_bit(column.values, row);
            return;
        case Kind::float64:
            return put(column, row, read_double(cursor));
        case Kind::decimal128:
            return put(column, row, read_decimal(cursor, field.precision, field.scale));
        case Kind::timestamp:
            return put(column, row, read_moment(cursor));
        case Kind::date32:
            return put(column, row, read_date(cursor));
    }
}

}  // namespace

Rows::Rows(const Plan& plan) : columns_(plan.size()), seen_(plan.size()) {
    for (std::size_t index = 0; index < plan.size(); ++index) {
        columns_[index].field = &plan[index];
        if (plan[index].kind == Kind::text) {
            texts_.push_back(index);
            columns_[index].values.resize_zeroed(sizeof(std::int32_t));  // the first offset
            columns_[index].text.reserve(FIRST_CAPACITY);
        }
    }
    set_capacity(FIRST_CAPACITY);
}

void Rows::read_present(std::size_t index, Cursor& cursor) {
    Column& column = columns_[index];
    read_into(column, count_, cursor);
    set_bit(column.validity, count_);
}

void Rows::end_row() {
    ++count_;
    for (const std::size_t index : texts_) {
        Column& column = columns_[index];
        put(column, count_, static_cast<std::int32_t>(column.text.size()));
    }
}

std::int64_t Rows::null_count(const Column& column) const {
    std::size_t valid = 0;
    for (std::size_t byte = 0; byte < (count_ + 7) / 8; ++byte) {
        const auto bits = static_cast<unsigned char>(column.validity.data()[byte]);
        valid += static_cast<std::size_t>(std::popcount(bits));
    }
    return static_cast<std::int64_t>(count_ - valid);
}

void Rows::grow(std::size_t read, std::size_t left) {
    // As many rows as the rest of the page has room for, and some more. Never less than half as
    // many again, so that the work stays in proportion to the rows.
    const std::uint64_t expected = std::uint64_t{left} * count_ / std::max<std::size_t>(read, 1);
    const auto more = static_cast<std::size_t>(expected + expected / 16 + 1);
    const std::size_t capacity = count_ + std::max(more, count_ / 2);
    for (const std::size_t index : texts_) {
        Buffer& text = columns_[index].text;
        const std::uint64_t size = std::uint64_t{text.size()} * capacity / count_;
        // A first row with a long text must not make room for a thousand of its kind.
        text.reserve(text.size() + static_cast<std::size_t>(std::min<std::uint64_t>(size, left)));
    }
    set_capacity(capacity);
}

void Rows::set_capacity(std::size_t capacity) {
    for (Column& column : columns_) {
        const Kind kind = column.field->kind;
        column.validity.resize_zeroed((capacity + 7) / 8);
        if (kind == Kind::boolean) {
            column.values.resize_zeroed((capacity + 7) / 8);
        } else if (kind == Kind::text) {
            column.values.resize((capacity + 1) * width(kind));
        } else {
            column.values.resize_zeroed(capacity * width(kind));
        }
    }
    capacity_ = capacity;
}

}  // namespace decoder
