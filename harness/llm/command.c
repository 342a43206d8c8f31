/* See command.h. */
#include "harness/llm/command.h"

#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/proc.h"
#include "base/secret.h"
#include "base/text.h"

enum { EXIT_LATER = 75, WORDS = 400 };

static void put_block(const struct cn_llm_block *b, struct cn_buf *out)
{
    if (b->kind == CN_LLM_IMAGE)
        cn_buf_adds(out, b->text && b->text[0] ? "" : "[a figure]\n\n");
    else if (b->kind == CN_LLM_TOOL_USE)
        cn_buf_printf(out, "[call %s %s]\n\n", b->name, b->arguments);
    else if (b->kind != CN_LLM_OPAQUE)
        cn_buf_printf(out, "%s\n\n", b->text);
    if (b->kind == CN_LLM_IMAGE && b->text && b->text[0])
        cn_buf_printf(out, "[figure: %s]\n\n", b->text);
}

void cn_command_prompt(const struct cn_llm_request *q, struct cn_buf *out)
{
    cn_buf_adds(out, "# System\n\n");
    for (int i = 0; i < q->n_system; i++)
        put_block(&q->system[i], out);
    for (int i = 0; i < q->n_messages; i++) {
        cn_buf_adds(out, q->messages[i].role == CN_LLM_USER ? "# User\n\n" : "# Assistant\n\n");
        for (int k = 0; k < q->messages[i].n_blocks; k++)
            put_block(&q->messages[i].blocks[k], out);
    }
}

/* The last line that it wrote on standard error. */
static const char *last_words(const struct cn_buf *b)
{
    const char *s = cn_buf_str(b), *line = s;

    for (; *s; s++)
        if (*s == '\n' && s[1])
            line = s + 1;
    return line;
}

/* The program to its end, without our keys. */
static cn_status run(const struct cn_command_call *c, struct cn_buf *out, struct cn_buf *words,
                     struct cn_proc_exit *x, struct cn_err *err)
{
    const char *argv[] = {"/bin/sh", "-c", c->command, NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    char **secrets = cn_secret_names();
    cn_status st;

    memset(x, 0, sizeof *x);
    if (!secrets)
        return cn_err_set(err, CN_ENOMEM, "no memory to start the command");
    o.argv = argv;
    o.env_remove = (const char *const *)secrets;
    o.new_session = true;
    o.stop = c->stop;
    o.tick = c->tick;
    o.tick_ctx = c->tick_ctx;
    st = cn_proc_run(&o, c->prompt, c->n, (int64_t)(1e3 * c->deadline_s), out, words, x, err);
    cn_secret_names_free(secrets);
    return st;
}

cn_status cn_command_run(const struct cn_command_call *c, struct cn_buf *out, bool *out_later,
                         struct cn_err *err)
{
    struct cn_proc_exit x;
    struct cn_buf words;
    cn_status st;

    *out_later = false;
    cn_buf_init(&words, CN_CAP_CAPTURE);
    st = run(c, out, &words, &x, err);
    if (st == CN_OK && x.exited && x.code == EXIT_LATER) {
        *out_later = true;
        st = cn_err_set(err, CN_EIO, "the command asks to be asked later");
    } else if (st == CN_OK && !(x.exited && x.code == 0)) {
        const char *said = last_words(&words);

        st = cn_err_set(err, CN_EIO, "the command ended with %s %d: %.*s",
                        x.exited ? "exit code" : "signal", x.exited ? x.code : x.signal,
                        (int)cn_text_utf8_cut(said, strcspn(said, "\n"), WORDS), said);
    } else if (st == CN_OK && !cn_text_utf8_valid(cn_buf_str(out), out->len)) {
        st = cn_err_set(err, CN_EIO, "broken answer: the command's output is no UTF-8");
    } else if (st == CN_OK && memchr(cn_buf_str(out), 0, out->len)) {
        st = cn_err_set(err, CN_EIO, "broken answer: a NUL byte in the command's output");
    }
    cn_buf_clear(&words);
    return st;
}
