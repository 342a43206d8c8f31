/* cairn protocol check|log|diff|revert: what a protocol says, and how the rules of a run
 * changed. */
#include "protocols/protocol.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/cli/verbs.h"

/* -- check -- */

static int run_check(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_protocol *p = NULL;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    const cn_status st = cn_protocol_read(args->positional[1], &p, &err);
    if (st == CN_OK) {
        cn_protocol_dump(p, &b);
        fputs(cn_buf_str(&b), stdout);
    }
    cn_protocol_free(p);
    cn_buf_clear(&b);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- log, diff, revert -- */

static int run_later(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;

    (void)cn_err_set(&err, CN_EUNSUPPORTED, "protocol %s: this build cannot do it yet",
                     args->positional[0]);
    return cn_err_print(stderr, "cairn", &err);
}

/* -- the verb -- */

static const struct {
    const char *name;
    int (*run)(const struct cn_cli_args *args);
} words[] = {
    {"check", run_check}, {"log", run_later}, {"diff", run_later}, {"revert", run_later}};
enum { N_WORDS = sizeof words / sizeof words[0] };

static int run_protocol(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const char *names[N_WORDS];

    for (int i = 0; i < N_WORDS; i++) {
        names[i] = words[i].name;
        if (strcmp(args->positional[0], words[i].name) == 0)
            return words[i].run(args);
    }
    const int near = cn_text_nearest(args->positional[0], names, N_WORDS);
    (void)cn_err_set(&err, CN_EINPUT, "protocol: unknown word '%s'; %s%s%s",
                     args->positional[0], near >= 0 ? "did you mean '" : "",
                     near >= 0 ? names[near] : "it is one of check, log, diff, revert",
                     near >= 0 ? "'?" : "");
    return cn_err_print(stderr, "cairn", &err);
}

const struct cn_cli_verb cn_verb_protocol = {"protocol",
                                             "check FILE | log|diff|revert RUN ...",
                                             "what a protocol says, and how its rules changed",
                                             "",
                                             "cairn protocol check protocols/fly_demo.md",
                                             NULL,
                                             0,
                                             2,
                                             4,
                                             false,
                                             run_protocol};
