/* Progress: plain lines at most every five seconds, a bar on a terminal, silence when asked. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/clock.h"
#include "base/progress.h"

static int from; /* what the tests read of stderr */

static void into_a_pipe(void)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    from = ends[0];
    cn_clock_freeze(1000);
}

static void onto_a_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;

    cr_assert_geq(master, 0);
    cr_assert_eq(grantpt(master), 0);
    cr_assert_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    cr_assert_geq(slave, 0);
    cr_assert_eq(dup2(slave, STDERR_FILENO), STDERR_FILENO);
    from = master;
    cn_clock_freeze(1000);
    cr_assert_eq(setenv("TERM", "xterm", 1), 0);
    cr_assert_eq(unsetenv("NO_COLOR"), 0);
}

static const char *said(void)
{
    static char text[8192];
    ssize_t n = read(from, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

Test(base_progress, plain_lines_come_at_most_every_five_seconds)
{
    struct cn_progress *p;

    into_a_pipe();
    p = cn_progress_new("training", 400);
    cn_progress_step(p, 1, "loss 1");
    cr_assert_str_eq(said(), "");
    cn_clock_advance(4999);
    cn_progress_step(p, 99, "loss 0.3");
    cr_assert_str_eq(said(), "");
    cn_clock_advance(1);
    cn_progress_step(p, 100, "loss 0.2");
    cr_assert_str_eq(said(), "training 100/400  25%  0:05 < 0:15  loss 0.2\n");
    cn_clock_advance(100);
    cn_progress_step(p, 101, NULL);
    cr_assert_str_eq(said(), "");
    cn_progress_say(p, "a line");
    cr_assert_str_eq(said(), "a line\n");
    cn_progress_free(p);
    cr_assert_str_eq(said(), "training 101/400  25%  0:05 < 0:15  \n",
                     "the last step is always told");
}

Test(base_progress, an_unknown_total_has_no_percentage)
{
    struct cn_progress *p;

    into_a_pipe();
    p = cn_progress_new("reading", 0);
    cn_clock_advance(3700000);
    cn_progress_step(p, 12, "x\ty\x1b[2J");
    cn_progress_free(p);
    cr_assert_str_eq(said(), "reading 12  1:01:40  x y [2J\n",
                     "and a note cannot steer the terminal");
}

Test(base_progress, a_terminal_gets_a_bar_that_redraws_itself)
{
    struct cn_progress *p;
    const char *text;

    onto_a_terminal();
    p = cn_progress_new("training", 4);
    cn_progress_step(p, 1, "");
    text = said();
    cr_assert(strstr(text, "\r\033[Ktraining [######..................] 1/4  25%"), "%s", text);
    cr_assert_not(strchr(text, '\n'));
    cn_clock_advance(10);
    cn_progress_step(p, 2, "");
    cr_assert_str_eq(said(), "", "ten redraws a second are enough");
    cn_progress_say(p, "note");
    text = said();
    cr_assert(strstr(text, "\r\033[Knote\r\n\r\033[Ktraining [############"), "%s", text);
    cn_progress_free(p);
    text = said();
    cr_assert(strchr(text, '\n'), "%s", text);
    cr_assert(cn_progress_colour(STDERR_FILENO));
    cr_assert_eq(setenv("NO_COLOR", "1", 1), 0);
    cr_assert_not(cn_progress_colour(STDERR_FILENO));
}

Test(base_progress, a_dumb_terminal_gets_plain_lines)
{
    struct cn_progress *p;

    onto_a_terminal();
    cr_assert_eq(setenv("TERM", "dumb", 1), 0);
    p = cn_progress_new("training", 4);
    cn_progress_step(p, 1, "");
    cr_assert_str_eq(said(), "");
    cn_progress_free(p);
    cr_assert_not(strchr(said(), '\033'));
    cr_assert_not(cn_progress_colour(STDERR_FILENO));
}

Test(base_progress, disabled_or_null_progress_is_silent)
{
    struct cn_progress *p;

    into_a_pipe();
    cn_progress_set_enabled(false);
    p = cn_progress_new("training", 4);
    cr_assert_null(p);
    cn_progress_step(p, 1, "x");
    cn_progress_say(p, "y");
    cn_progress_free(p);
    cr_assert_str_eq(said(), "");
}
