#include "moment.hpp"

namespace decoder {
namespace {

constexpr std::int64_t SECOND = 1'000'000;  // microseconds
constexpr std::int64_t MINUTE = 60 * SECOND;
constexpr std::int64_t HOUR = 60 * MINUTE;
constexpr std::int64_t DAY = 24 * HOUR;

void literal(Cursor& cursor, char wanted) {
    if (*cursor.at != wanted) throw Refused{"a date or time in an unusual form"};
    ++cursor.at;
}

// `count` digits; the NUL at the end of the text is none.
std::int64_t digits(Cursor& cursor, int count) {
    std::int64_t value = 0;
    for (; count > 0; --count, ++cursor.at) {
        if (*cursor.at < '0' || *cursor.at > '9') throw Refused{"a date or time in an unusual form"};
        value = value * 10 + (*cursor.at - '0');
    }
    return value;
}

std::int64_t limited(Cursor& cursor, int count, std::int64_t least, std::int64_t most) {
    const std::int64_t value = digits(cursor, count);
    if (value < least || value > most) throw Refused{"no such date or time"};
    return value;
}

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

std::int64_t days_of_month(std::int64_t year, std::int64_t month) {
    constexpr int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return DAYS[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

// Days from 1970-01-01 to a date of the years 1 to 9999.
std::int64_t days_since_1970(std::int64_t year, std::int64_t month, std::int64_t day) {
    // Years that begin in March have the leap day at their end: the days before a month are then
    // a straight line, 153 days for five months.
    const std::int64_t years = month <= 2 ? year - 1 : year;
    const std::int64_t months = (month + 9) % 12;
    const std::int64_t days = 365 * years + years / 4 - years / 100 + years / 400;
    return days + (153 * months + 2) / 5 + (day - 1) - 719'468;
}

std::int64_t date(Cursor& cursor) {
    const std::int64_t year = limited(cursor, 4, 1, 9999);
    literal(cursor, '-');
    const std::int64_t month = limited(cursor, 2, 1, 12);
    literal(cursor, '-');
    const std::int64_t day = limited(cursor, 2, 1, days_of_month(year, month));
    return days_since_1970(year, month, day);
}

}  // namespace

std::int32_t read_date(Cursor& cursor) {
    literal(cursor, '"');
    const std::int64_t days = date(cursor);
    literal(cursor, '"');
    return static_cast<std::int32_t>(days);
}

std::int64_t read_moment(Cursor& cursor) {
    literal(cursor, '"');
    std::int64_t moment = date(cursor) * DAY;
    literal(cursor, 'T');
    moment += limited(cursor, 2, 0, 23) * HOUR;
    literal(cursor, ':');
    moment += limited(cursor, 2, 0, 59) * MINUTE;
    literal(cursor, ':');
    moment += limited(cursor, 2, 0, 59) * SECOND;
    if (*cursor.at == '.') {
        ++cursor.at;
        moment += digits(cursor, 1) * (SECOND / 10);
        for (std::int64_t unit = SECOND / 100; *cursor.at != 'Z'; unit /= 10) {
            if (unit == 0) throw Refused{"finer than a microsecond"};
            moment += digits(cursor, 1) * unit;
        }
    }
    literal(cursor, 'Z');
    literal(cursor, '"');
    return moment;
}

}  // namespace decoder
