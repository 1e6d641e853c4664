#include "plan.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace decoder {
namespace {

constexpr int MAX_PRECISION = 38;

int number(std::string_view text) {
    int value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || rest != text.data() + text.size()) return -1;
    return value;
}

void set_decimal(Field& field) {
    const std::string_view digits = std::string_view(field.format).substr(2);
    const auto comma = digits.find(',');
    if (comma == std::string_view::npos) throw std::invalid_argument(field.format);
    field.precision = number(digits.substr(0, comma));
    field.scale = number(digits.substr(comma + 1));
    const bool known = field.precision >= 1 && field.precision <= MAX_PRECISION &&
                       field.scale >= 0 && field.scale <= field.precision;
    if (!known) throw std::invalid_argument(field.format);
}

Kind kind_of(const std::string& format) {
    if (format == "u") return Kind::text;
    if (format == "l") return Kind::int64;
    if (format == "b") return Kind::boolean;
    if (format == "g") return Kind::float64;
    if (format == "tdD") return Kind::date32;
    if (format.starts_with("d:")) return Kind::decimal128;
    if (format.starts_with("tsu:")) return Kind::timestamp;
    throw std::invalid_argument(format);
}

}  // namespace

Field make_field(std::string name, std::string format) {
    Field field{std::move(name), std::move(format)};
    field.kind = kind_of(field.format);
    if (field.kind == Kind::decimal128) set_decimal(field);
    return field;
}

std::size_t width(Kind kind) {
    switch (kind) {
        case Kind::boolean:
            return 0;
        case Kind::text:
        case Kind::date32:
            return 4;
        case Kind::decimal128:
            return 16;
        case Kind::int64:
        case Kind::float64:
        case Kind::timestamp:
            break;
    }
    return 8;
}

}  // namespace decoder
