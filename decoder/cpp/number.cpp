#include "number.hpp"

#include <cfloat>
#include <charconv>
#include <limits>
#include <system_error>
#include <version>

namespace decoder {
namespace {

constexpr int UINT64_DIGITS = 19;  // as many decimal digits always fit into 64 bits

constexpr std::uint64_t POWERS[] = {
    1ULL,
    10ULL,
    100ULL,
    1'000ULL,
    10'000ULL,
    100'000ULL,
    1'000'000ULL,
    10'000'000ULL,
    100'000'000ULL,
    1'000'000'000ULL,
    10'000'000'000ULL,
    100'000'000'000ULL,
    1'000'000'000'000ULL,
    10'000'000'000'000ULL,
    100'000'000'000'000ULL,
    1'000'000'000'000'000ULL,
    10'000'000'000'000'000ULL,
    100'000'000'000'000'000ULL,
    1'000'000'000'000'000'000ULL,
    10'000'000'000'000'000'000ULL,
};

// Powers of ten that a double holds exactly.
constexpr double EXACT_POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int MAX_EXACT_POWER = 22;

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

std::uint64_t digit_value(char byte) { return static_cast<std::uint64_t>(byte - '0'); }

bool take_sign(Cursor& cursor) {
    if (*cursor.at != '-') return false;
    ++cursor.at;
    return true;
}

// Goes over the digits before the point: at least one, and no zero before another.
void skip_whole(Cursor& cursor) {
    if (*cursor.at == '0') {
        ++cursor.at;
        if (is_digit(*cursor.at)) throw Refused{"a number that begins with 0"};
        return;
    }
    if (!is_digit(*cursor.at)) throw Refused{"not a number"};
    while (is_digit(*cursor.at)) ++cursor.at;
}

void skip_digits(Cursor& cursor) {
    if (!is_digit(*cursor.at)) throw Refused{"a number without digits"};
    while (is_digit(*cursor.at)) ++cursor.at;
}

bool at_exponent(const Cursor& cursor) { return *cursor.at == 'e' || *cursor.at == 'E'; }

void skip_exponent(Cursor& cursor) {
    ++cursor.at;
    if (*cursor.at == '+' || *cursor.at == '-') ++cursor.at;
    skip_digits(cursor);
}

// Up to 38 digits as a number of 128 bits.
class Digits {
public:
    // The caller adds no more than 38.
    void add(std::uint64_t digit) {
        if (count_ < UINT64_DIGITS) {
            first_ = first_ * 10 + digit;
        } else {
            second_ = second_ * 10 + digit;
        }
        ++count_;
    }

    Int128 value(bool negative) const {
        Int128 result{first_, 0};
        if (count_ > UINT64_DIGITS) {
            result = times(first_, POWERS[count_ - UINT64_DIGITS]);
            result.low += second_;
            if (result.low < second_) ++result.high;
        }
        if (negative) {
            result.low = ~result.low + 1;
            result.high = ~result.high + (result.low == 0 ? 1 : 0);
        }
        return result;
    }

private:
    // By halves of 32 bits, as not every compiler has an integer of 128.
    static Int128 times(std::uint64_t left, std::uint64_t right) {
        constexpr std::uint64_t half = 0xFFFFFFFFULL;
        const std::uint64_t low = (left & half) * (right & half);
        const std::uint64_t cross = (left >> 32) * (right & half) + (low >> 32);
        const std::uint64_t other = (left & half) * (right >> 32) + (cross & half);
        return {other << 32 | (low & half),
                (left >> 32) * (right >> 32) + (cross >> 32) + (other >> 32)};
    }

    std::uint64_t first_ = 0;
    std::uint64_t second_ = 0;
    int count_ = 0;
};

// The nearest double of a number that has been checked.
double from_text(const char* begin, const char* end) {
#ifdef __cpp_lib_to_chars
    double value = 0;
    const auto [rest, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || rest != end) throw Refused{"a number out of range"};
    return value;
#else
    // This C++ library reads no doubles, and strtod follows the locale.
    (void)begin;
    (void)end;
    throw Refused{"a double with many digits"};
#endif
}

}  // namespace

std::int64_t read_int64(Cursor& cursor) {
    const bool negative = take_sign(cursor);
    const char* const begin = cursor.at;
    skip_whole(cursor);
    if (*cursor.at == '.' || at_exponent(cursor)) throw Refused{"not written as a whole number"};
    if (cursor.at - begin > UINT64_DIGITS) throw Refused{"more than 64 bits"};
    std::uint64_t size = 0;
    for (const char* at = begin; at != cursor.at; ++at) size = size * 10 + digit_value(*at);
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (size > most + (negative ? 1 : 0)) throw Refused{"more than 64 bits"};
    return static_cast<std::int64_t>(negative ? ~size + 1 : size);
}

double read_double(Cursor& cursor) {
    const char* const begin = cursor.at;
    const bool negative = take_sign(cursor);
    const char* const whole = cursor.at;
    skip_whole(cursor);
    const char* const point = cursor.at;
    if (*cursor.at == '.') {
        ++cursor.at;
        skip_digits(cursor);
    }
    const char* const end = cursor.at;
    if (at_exponent(cursor)) {
        skip_exponent(cursor);
        return from_text(begin, cursor.at);
    }
    // Clinger's fast path: where the digits and the power of ten are exact, one division is
    // rounded once, so the quotient is the nearest double.
    const auto places = end == point ? 0 : end - point - 1;
    if (FLT_EVAL_METHOD != 0 || places > MAX_EXACT_POWER || end - whole > UINT64_DIGITS) {
        return from_text(begin, end);
    }
    std::uint64_t digits = 0;
    for (const char* at = whole; at != end; ++at) {
        if (*at != '.') digits = digits * 10 + digit_value(*at);
    }
    if (digits > 1ULL << DBL_MANT_DIG) return from_text(begin, end);
    const double value = static_cast<double>(digits) / EXACT_POWERS[places];
    return negative ? -value : value;
}

Int128 read_decimal(Cursor& cursor, int precision, int scale) {
    const bool negative = take_sign(cursor);
    const char* const whole = cursor.at;
    skip_whole(cursor);
    Digits digits;
    if (*whole != '0') {
        if (cursor.at - whole > precision - scale) throw Refused{"too many digits for a decimal"};
        for (const char* at = whole; at != cursor.at; ++at) digits.add(digit_value(*at));
    }
    int places = 0;
    if (*cursor.at == '.') {
        ++cursor.at;
        const char* const fraction = cursor.at;
        skip_digits(cursor);
        if (cursor.at - fraction > scale) throw Refused{"too many decimal places"};
        for (const char* at = fraction; at != cursor.at; ++at) digits.add(digit_value(*at));
        places = static_cast<int>(cursor.at - fraction);
    }
    if (at_exponent(cursor)) throw Refused{"a decimal with an exponent"};
    for (; places < scale; ++places) digits.add(0);
    return digits.value(negative);
}

void skip_number(Cursor& cursor) {
    take_sign(cursor);
    skip_whole(cursor);
    if (*cursor.at == '.') {
        ++cursor.at;
        skip_digits(cursor);
    }
    if (at_exponent(cursor)) skip_exponent(cursor);
}

}  // namespace decoder
