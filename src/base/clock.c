// Clocks, and times, durations and sizes as text.
#include "base/clock.h"

#include "base/err.h"

#include <time.h>

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    FQ_ASSERT(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t fq_wall_ms(void) {
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t fq_monotonic_ms(void) {
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t fq_monotonic_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

enum { DAY_S = 24 * 60 * 60, ERA_YEARS = 400, ERA_DAYS = 146097, DAYS_TO_1970 = 719468 };

typedef struct {
    int64_t year;
    int month, day;
} date;

// The proleptic Gregorian calendar in whole numbers, years beginning in March so that the leap day
// comes last (Howard Hinnant, "chrono-compatible low-level date algorithms"). For days from year 0
// on.
static int64_t days_from_date(date d) {
    const int64_t year = d.month <= 2 ? d.year - 1 : d.year;
    const int64_t era = (year >= 0 ? year : year - (ERA_YEARS - 1)) / ERA_YEARS;
    const int64_t year_of_era = year - era * ERA_YEARS;
    const int64_t day_of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

static date date_from_days(int64_t days) {
    days += DAYS_TO_1970;
    const int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    const int64_t day_of_era = days - era * ERA_DAYS;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (ERA_DAYS - 1)) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (date){.year = year_of_era + era * ERA_YEARS + (month <= 2 ? 1 : 0),
                  .month = month,
                  .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1)};
}

// 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z
static const int64_t time_min = INT64_C(-62167219200000), time_max = INT64_C(253402300799999);

static void put_digits(char *out, int count, int64_t number) {
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

void fq_time_text(int64_t unix_ms, char out[FQ_TIME_TEXT_MAX]) {
    FQ_ASSERT(unix_ms >= time_min && unix_ms <= time_max);
    const int64_t day_ms = (int64_t)DAY_S * 1000;
    const int64_t days = (unix_ms >= 0 ? unix_ms : unix_ms - (day_ms - 1)) / day_ms;
    const int64_t ms = unix_ms - days * day_ms;
    const date d = date_from_days(days);
    memcpy(out, "0000-00-00T00:00:00.000Z", FQ_TIME_TEXT_MAX);
    put_digits(out, 4, d.year);
    put_digits(out + 5, 2, d.month);
    put_digits(out + 8, 2, d.day);
    put_digits(out + 11, 2, ms / 3600000);
    put_digits(out + 14, 2, ms / 60000 % 60);
    put_digits(out + 17, 2, ms / 1000 % 60);
    put_digits(out + 20, 3, ms % 1000);
}

// Takes `count` digits off the front.
static bool take_digits(fq_str *text, size_t count, int *out) {
    if (text->len < count) {
        return false;
    }
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text->at[i] < '0' || text->at[i] > '9') {
            return false;
        }
        number = number * 10 + (text->at[i] - '0');
    }
    *text = (fq_str){text->at + count, text->len - count};
    *out = number;
    return true;
}

static bool take_char(fq_str *text, char c) {
    if (text->len == 0 || text->at[0] != c) {
        return false;
    }
    *text = (fq_str){text->at + 1, text->len - 1};
    return true;
}

// ".123456789", of which the first three digits count.
static bool take_fraction(fq_str *text, int *out_ms) {
    *out_ms = 0;
    if (!take_char(text, '.')) {
        return true;
    }
    size_t count = 0;
    int digit;
    for (int unit = 100; count < 9 && take_digits(text, 1, &digit); count++, unit /= 10) {
        *out_ms += digit * unit;
    }
    return count > 0;
}

static bool take_offset(fq_str *text, int *out_minutes) {
    *out_minutes = 0;
    if (take_char(text, 'Z') || take_char(text, 'z')) {
        return true;
    }
    const int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
    int hours, minutes;
    if (sign == 0 || !take_digits(text, 2, &hours) || !take_char(text, ':') ||
        !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *out_minutes = sign * (hours * 60 + minutes);
    return true;
}

static int days_in_month(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool fq_time_parse(fq_str text, int64_t *out_unix_ms) {
    int year, month, day, hour, minute, second, ms, offset_minutes;
    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 2, &day) ||
        !(take_char(&text, 'T') || take_char(&text, 't')) || !take_digits(&text, 2, &hour) ||
        !take_char(&text, ':') || !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &second) || !take_fraction(&text, &ms) ||
        !take_offset(&text, &offset_minutes) || text.len > 0) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59) {
        return false;
    }
    const int64_t days = days_from_date((date){year, month, day});
    const int64_t seconds = days * DAY_S + hour * 3600 + minute * 60 + second - offset_minutes * 60;
    const int64_t unix_ms = seconds * 1000 + ms;
    if (unix_ms < time_min || unix_ms > time_max) {
        return false;
    }
    *out_unix_ms = unix_ms;
    return true;
}

typedef struct {
    fq_str name;
    int64_t factor;
} unit;

// A whole number and one of the units, multiplied out.
static bool parse_with_unit(fq_str text, const unit *units, size_t count, int64_t *out) {
    size_t number_len = 0;
    while (number_len < text.len && text.at[number_len] >= '0' && text.at[number_len] <= '9') {
        number_len++;
    }
    const fq_str name = {text.at + number_len, text.len - number_len};
    int64_t number;
    if (!fq_str_to_i64((fq_str){text.at, number_len}, &number)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (fq_str_equal(name, units[i].name)) {
            return !__builtin_mul_overflow(number, units[i].factor, out);
        }
    }
    return false;
}

bool fq_duration_parse(fq_str text, int64_t *out_ms) {
    static const unit units[] = {{{"ms", 2}, 1},
                                 {{"s", 1}, 1000},
                                 {{"m", 1}, 60 * 1000},
                                 {{"h", 1}, 60 * 60 * 1000},
                                 {{"d", 1}, 24 * 60 * 60 * 1000}};
    return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), out_ms);
}

bool fq_size_parse(fq_str text, int64_t *out_bytes) {
    static const unit units[] = {{{"", 0}, 1},
                                 {{"B", 1}, 1},
                                 {{"KiB", 3}, 1024},
                                 {{"MiB", 3}, 1024 * 1024},
                                 {{"GiB", 3}, 1024 * 1024 * 1024}};
    return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), out_bytes);
}
