#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "base/banned.h"
#include "base/text.h"

static _Atomic bool frozen;
static _Atomic int64_t frozen_ms;

static struct timespec read_clock(clockid_t which)
{
    struct timespec t;

    (void)clock_gettime(which, &t); /* cannot fail on Linux for these two clocks */
    return t;
}

int64_t cn_clock_now_ms(void)
{
    struct timespec t;

    if (atomic_load(&frozen))
        return atomic_load(&frozen_ms);
    t = read_clock(CLOCK_REALTIME);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t cn_clock_mono_us(void)
{
    struct timespec t;

    if (atomic_load(&frozen))
        return atomic_load(&frozen_ms) * 1000;
    t = read_clock(CLOCK_MONOTONIC);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void cn_clock_sleep_ms(int64_t ms)
{
    struct timespec t;

    if (ms <= 0)
        return;
    if (atomic_load(&frozen)) {
        atomic_fetch_add(&frozen_ms, ms);
        return;
    }
    t.tv_sec = (time_t)(ms / 1000);
    t.tv_nsec = (long)(ms % 1000) * 1000000;
    (void)nanosleep(&t, NULL); /* a signal ends it early, so that Ctrl-C is heard at once */
}

const char *cn_clock_iso(int64_t ms, char out[CN_TIME_TEXT])
{
    int64_t seconds = ms / 1000, part = ms % 1000;
    struct tm t;
    time_t when;

    if (part < 0) { /* before 1970 the milliseconds still count upwards */
        part += 1000;
        seconds--;
    }
    when = (time_t)seconds;
    if (!gmtime_r(&when, &t))
        CN_BUG("time %lld ms has no calendar year", (long long)ms);
    cn_text_format(out, CN_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
                   t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)part);
    return out;
}

/* Exactly n digits at *s; moves *s behind them. -1 when they are not there. */
static int digits(const char **s, int n)
{
    int value = 0, i;

    for (i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return -1;
        value = value * 10 + (**s - '0');
    }
    return value;
}

static bool literal(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

/* ".123" to milliseconds; more digits than three are read and dropped. -1 when there is no
 * digit. */
static int fraction(const char **s)
{
    int ms = 0, place = 100, n = 0;

    for (; **s >= '0' && **s <= '9'; (*s)++, n++) {
        ms += place * (**s - '0');
        place /= 10;
    }
    return n > 0 ? ms : -1;
}

static bool same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_mday == b->tm_mday && a->tm_mon == b->tm_mon && a->tm_year == b->tm_year;
}

bool cn_clock_parse_iso(const char *s, int64_t *out_ms)
{
    struct tm t = {0}, back;
    int year, ms = 0;
    time_t when;

    year = digits(&s, 4);
    if (year < 0 || !literal(&s, '-') || (t.tm_mon = digits(&s, 2)) < 1 || t.tm_mon > 12 ||
        !literal(&s, '-') || (t.tm_mday = digits(&s, 2)) < 1 || !literal(&s, 'T') ||
        (t.tm_hour = digits(&s, 2)) < 0 || t.tm_hour > 23 || !literal(&s, ':') ||
        (t.tm_min = digits(&s, 2)) < 0 || t.tm_min > 59 || !literal(&s, ':') ||
        (t.tm_sec = digits(&s, 2)) < 0 || t.tm_sec > 59)
        return false;
    if (literal(&s, '.') && (ms = fraction(&s)) < 0)
        return false;
    if (!literal(&s, 'Z') || *s)
        return false;
    t.tm_year = year - 1900;
    t.tm_mon--;
    back = t;
    when = timegm(&back); /* turns 30 February into a day in March: then it was no date */
    if (!same_day(&t, &back))
        return false;
    *out_ms = (int64_t)when * 1000 + ms;
    return true;
}

void cn_clock_freeze(int64_t ms)
{
    atomic_store(&frozen_ms, ms);
    atomic_store(&frozen, true);
}

void cn_clock_advance(int64_t ms)
{
    if (!atomic_load(&frozen))
        CN_BUG("cn_clock_advance wants a frozen clock");
    atomic_fetch_add(&frozen_ms, ms);
}

void cn_clock_thaw(void)
{
    atomic_store(&frozen, false);
}
