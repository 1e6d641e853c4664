// libFuzzer's target. Whatever the decoder takes must be JSON, and every value must be what the
// oracle reads, which shares no code with the decoder. Sanitizers watch the memory meanwhile.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>

#include "export.hpp"
#include "gunzip.hpp"
#include "oracle.hpp"
#include "page.hpp"

namespace {

using decoder::Field;
using decoder::Kind;
using decoder::Plan;

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            std::abort();                                                             \
        }                                                                             \
    } while (false)

const Plan& plan() {
    static const Plan fields = {
        decoder::make_field("id", "u"),
        decoder::make_field("text", "u"),
        decoder::make_field("whole", "l"),
        decoder::make_field("flag", "b"),
        decoder::make_field("decimal", "d:23,10"),
        decoder::make_field("wide", "d:38,19"),
        decoder::make_field("double", "g"),
        decoder::make_field("day", "tdD"),
        decoder::make_field("moment", "tsu:UTC"),
        decoder::make_field("clock", "tsu:"),
        decoder::make_field("_owner_value", "u"),
        decoder::make_field("_owner_value@Microsoft.Dynamics.CRM.lookuplogicalname", "u"),
    };
    return fields;
}

template <typename T>
T at(const void* buffer, std::int64_t row) {
    T value;
    std::memcpy(&value, static_cast<const char*>(buffer) + row * sizeof(T), sizeof(T));
    return value;
}

bool bit(const void* buffer, std::int64_t row) {
    return (static_cast<const unsigned char*>(buffer)[row / 8] >> row % 8 & 1) != 0;
}

// Digits without point, filled up with zeros to `scale` decimal places: no arithmetic.
std::string scaled(const std::string& number, int scale) {
    const std::size_t point = number.find('.');
    std::string digits = number.substr(0, point);
    std::string places = point == std::string::npos ? "" : number.substr(point + 1);
    CHECK(static_cast<int>(places.size()) <= scale);
    digits += places + std::string(static_cast<std::size_t>(scale) - places.size(), '0');
    const bool negative = digits[0] == '-';
    digits.erase(0, digits.find_first_not_of("-0"));
    if (digits.find_first_not_of('-') == std::string::npos) return "0";
    return (negative ? "-" : "") + digits;
}

std::string spelled(__int128 value) {
    if (value == 0) return "0";
    const bool negative = value < 0;
    std::string digits;
    for (; value != 0; value /= 10) {
        const int digit = static_cast<int>(value % 10);
        digits.insert(digits.begin(), static_cast<char>('0' + (negative ? -digit : digit)));
    }
    return (negative ? "-" : "") + digits;
}

// The text of a moment, from the C library's calendar. Decimal places as in `written`.
std::string moment_text(std::int64_t microseconds, const std::string& written) {
    std::int64_t seconds = microseconds / 1'000'000;
    std::int64_t rest = microseconds % 1'000'000;
    if (rest < 0) {
        rest += 1'000'000;
        --seconds;
    }
    const std::time_t time = seconds;
    std::tm parts{};
    gmtime_r(&time, &parts);
    char text[64];
    std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06d", parts.tm_year + 1900,
                  parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                  static_cast<int>(rest));
    std::string result = text;
    const std::size_t point = written.find('.');
    const std::size_t places = point == std::string::npos ? 0 : written.size() - point - 2;
    CHECK(places <= 6);
    CHECK(result.find_first_not_of('0', 20 + places) == std::string::npos);
    result.resize(places == 0 ? 19 : 20 + places);
    return result + "Z";
}

void check_value(const Field& field, const ArrowArray& column, std::int64_t row,
                 const oracle::Value& value) {
    const void* const data = column.buffers[1];
    const std::string& written = value.text;
    switch (field.kind) {
        case Kind::text: {
            const auto begin = at<std::int32_t>(data, row);
            const auto end = at<std::int32_t>(data, row + 1);
            CHECK(value.kind == '"' && begin >= 0 && begin <= end);
            const char* const text = static_cast<const char*>(column.buffers[2]);
            CHECK(std::string(text + begin, text + end) == written);
            break;
        }
        case Kind::int64:
            CHECK(value.kind == 0);
            CHECK(std::to_string(at<std::int64_t>(data, row)) == (written == "-0" ? "0" : written));
            break;
        case Kind::boolean:
            CHECK(value.kind == (bit(data, row) ? 't' : 'f'));
            break;
        case Kind::float64: {
            const double expected = std::strtod(written.c_str(), nullptr);
            const double found = at<double>(data, row);
            CHECK(value.kind == 0 && std::memcmp(&expected, &found, sizeof(found)) == 0);
            break;
        }
        case Kind::decimal128:
            CHECK(value.kind == 0);
            CHECK(spelled(at<__int128>(data, row)) == scaled(written, field.scale));
            break;
        case Kind::timestamp:
            CHECK(value.kind == '"');
            CHECK(moment_text(at<std::int64_t>(data, row), written) == written);
            break;
        case Kind::date32: {
            const std::int64_t day = at<std::int32_t>(data, row);
            CHECK(value.kind == '"');
            CHECK(moment_text(day * 86'400'000'000, "").substr(0, 10) == written);
            break;
        }
    }
}

void check_link(const std::optional<std::string>& link, const oracle::Value* value) {
    if (value == nullptr || value->kind == 'n') {
        CHECK(!link);
    } else {
        CHECK(value->kind == '"' && link == value->text);
    }
}

void check_column(const Field& field, const ArrowArray& column, const oracle::Value& list) {
    std::int64_t nulls = 0;
    CHECK(column.length == static_cast<std::int64_t>(list.items.size()));
    for (std::int64_t row = 0; row < column.length; ++row) {
        const oracle::Value& entry = list.items[static_cast<std::size_t>(row)];
        CHECK(entry.kind == '{');
        const oracle::Value* const value = oracle::member(entry, field.name);
        const bool valid = column.buffers[0] == nullptr || bit(column.buffers[0], row);
        CHECK(valid == (value != nullptr && value->kind != 'n'));
        if (valid) {
            check_value(field, column, row, *value);
        } else {
            ++nulls;
        }
    }
    CHECK(column.null_count == nulls);
}

void check(decoder::Page&& page, const std::string& json) {
    const oracle::Value document = oracle::parse(json);  // throws, which ends the run
    const oracle::Value* const list = oracle::member(document, "value");
    CHECK(list != nullptr && list->kind == '[');
    check_link(page.next_link, oracle::member(document, "@odata.nextLink"));
    check_link(page.delta_link, oracle::member(document, "@odata.deltaLink"));
    ArrowArray rows;
    decoder::export_rows(std::move(page.rows), &rows);
    for (std::size_t index = 0; index < plan().size(); ++index) {
        check_column(plan()[index], *rows.children[index], *list);
    }
    rows.release(&rows);
    ArrowSchema schema;
    decoder::export_schema(plan(), &schema);
    schema.release(&schema);
}

// The bytes and a NUL, in memory of just that size: the sanitizer sees a look at the next byte.
class Exact {
public:
    explicit Exact(std::size_t size) : bytes_(new char[size + 1]), size_(size) {
        bytes_[size] = '\0';
    }
    char* data() const { return bytes_.get(); }
    std::size_t size() const { return size_; }
    std::string string() const { return {data(), size()}; }

private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

Exact gunzipped(const Exact& packed) {
    Exact plain(decoder::gunzipped_size(packed.data(), packed.size()));
    decoder::gunzip(packed.data(), packed.size(), plain.data(), plain.size());
    return plain;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Exact text(size);
    if (size != 0) std::memcpy(text.data(), data, size);
    try {
        const bool packed = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
        const Exact plain = packed ? gunzipped(text) : std::move(text);
        check(decoder::read_page(plan(), plain.data(), plain.size()), plain.string());
    } catch (const decoder::Refused&) {
    }
    return 0;
}
