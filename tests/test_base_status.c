#include <errno.h>
#include <signal.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/status.h"
#include "base/text.h"

Test(base_status, set_fills_and_returns_the_status)
{
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_err_set(&err, CN_EINPUT, "line %d: \"%s\"", 7, "abc"), CN_EINPUT);
    cr_assert_eq(err.status, CN_EINPUT);
    cr_assert_str_eq(err.text, "line 7: \"abc\"");
    cr_assert_eq(cn_err_set(NULL, CN_ECAP, "not wanted"), CN_ECAP);
}

Test(base_status, errno_is_mapped_and_worded)
{
    static const struct {
        int e;
        cn_status st;
    } rows[] = {{ENOMEM, CN_ENOMEM},    {ENOSPC, CN_ENOSPC}, {EDQUOT, CN_ENOSPC},
                {ENOENT, CN_ENOTFOUND}, {EEXIST, CN_EEXIST}, {EACCES, CN_EIO}};
    struct cn_err err = CN_ERR_INIT;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        errno = rows[i].e;
        cr_assert_eq(cn_err_errno(&err, "%s: cannot open", "x"), rows[i].st);
        cr_assert_eq(err.status, rows[i].st);
        cr_assert(cn_text_starts(err.text, "x: cannot open: "), "%s", err.text);
        cr_assert(cn_text_ends(err.text, strerror(rows[i].e)), "%s", err.text);
    }
    errno = ENOSPC;
    cr_assert_eq(cn_err_errno(NULL, "not wanted"), CN_ENOSPC);
}

Test(base_status, prefix_puts_context_in_front)
{
    struct cn_err err = CN_ERR_INIT;

    cn_err_set(&err, CN_ECORRUPT, "page 3");
    cr_assert_eq(cn_err_prefix(&err, "run.db %d", 5), CN_ECORRUPT);
    cr_assert_str_eq(err.text, "run.db 5: page 3");
    cr_assert_eq(cn_err_prefix(NULL, "nobody"), CN_EIO);
}

Test(base_status, message_may_quote_the_message_it_replaces)
{
    struct cn_err err = CN_ERR_INIT;

    cn_err_set(&err, CN_EINPUT, "inner");
    cn_err_set(&err, CN_EIO, "outer (%s)", err.text);
    cr_assert_str_eq(err.text, "outer (inner)");
}

/* 2000 two-byte characters after 0 or 1 ASCII bytes: the cut must fall between characters both
 * times. */
Test(base_status, long_message_is_cut_at_a_character_with_dots)
{
    char text[4001];
    struct cn_err err = CN_ERR_INIT;
    int shift, i;

    for (i = 0; i < 2000; i++)
        memcpy(text + 2 * i, "\xC3\xA9", 2);
    text[4000] = '\0';
    for (shift = 0; shift < 2; shift++) {
        cn_err_set(&err, CN_EINPUT, "%s%s", shift ? "x" : "", text);
        cr_assert_geq(strlen(err.text), CN_ERR_TEXT - 3);
        cr_assert_lt(strlen(err.text), CN_ERR_TEXT);
        cr_assert(cn_text_ends(err.text, "\xC3\xA9..."));
        cr_assert(cn_text_utf8_valid(err.text, strlen(err.text)));
    }
    cn_err_prefix(&err, "context");
    cr_assert(cn_text_starts(err.text, "context: x"));
    cr_assert(cn_text_ends(err.text, "..."));
    cr_assert_lt(strlen(err.text), CN_ERR_TEXT);
}

Test(base_status, message_that_just_fits_is_whole)
{
    char text[CN_ERR_TEXT];
    struct cn_err err = CN_ERR_INIT;

    memset(text, 'a', sizeof text);
    text[CN_ERR_TEXT - 1] = '\0';
    cn_err_set(&err, CN_EINPUT, "%s", text);
    cr_assert_str_eq(err.text, text);
    cn_err_set(&err, CN_EINPUT, "%sa", text);
    cr_assert(cn_text_ends(err.text, "a..."));
    cr_assert_eq(strlen(err.text), CN_ERR_TEXT - 1, "the room is used to the last byte");
}

Test(base_status, every_status_has_name_text_and_exit_code)
{
    cr_assert_str_eq(cn_status_name(CN_EINPUT), "EINPUT");
    cr_assert_str_eq(cn_status_text(CN_EINPUT), "input breaks its format");
    cr_assert_str_eq(cn_status_name(CN_OK), "OK");
    cr_assert_eq(cn_status_exit_code(CN_OK), 0);
    cr_assert_eq(cn_status_exit_code(CN_EINPUT), 2);
    cr_assert_eq(cn_status_exit_code(CN_ENOTFOUND), 2);
    cr_assert_eq(cn_status_exit_code(CN_EEXIST), 2);
    cr_assert_eq(cn_status_exit_code(CN_EDIVERGED), 3);
    cr_assert_eq(cn_status_exit_code(CN_ENOMEM), 4);
    cr_assert_eq(cn_status_exit_code(CN_ENOSPC), 4);
    cr_assert_eq(cn_status_exit_code(CN_ESTOPPED), 5);
    cr_assert_eq(cn_status_exit_code(CN_ELOCKED), 75);
    cr_assert_eq(cn_status_exit_code(CN_EIO), 1);
    cr_assert_eq(cn_status_exit_code(CN_ECORRUPT), 1);
}

Test(base_status, print_writes_one_line_and_gives_the_exit_code)
{
    struct cn_err err = CN_ERR_INIT;
    char line[100] = "";
    FILE *f = tmpfile();

    cr_assert_not_null(f);
    cn_err_set(&err, CN_EDIVERGED, "loss is nan at step 3");
    cr_assert_eq(cn_err_print(f, "cairn", &err), 3);
    rewind(f);
    cr_assert_not_null(fgets(line, sizeof line, f));
    cr_assert_str_eq(line, "cairn: loss is nan at step 3\n");
    cr_assert_null(fgets(line, sizeof line, f));
    (void)fclose(f);
}

Test(base_status, a_failed_assertion_aborts, .signal = SIGABRT)
{
    CN_ASSERT(1 + 1 == 3);
}
