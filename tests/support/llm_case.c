/* See llm_case.h. */
#include "tests/support/llm_case.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"

const char *llm_case_option(const char *words, const char *name)
{
    static char values[8][256];
    static int at;
    size_t n = strlen(name);

    while (*(words += strspn(words, " "))) {
        size_t len = strcspn(words, " ");

        if (len >= n && memcmp(words, name, n) == 0 && (len == n || words[n] == '=')) {
            at = (at + 1) % 8;
            cn_text_format(values[at], sizeof values[at], "%.*s",
                           (int)(len > n ? len - n - 1 : 0), words + n + (len > n));
            return values[at];
        }
        words += len;
    }
    return NULL;
}

double llm_case_number(const char *words, const char *name, double otherwise)
{
    const char *s = llm_case_option(words, name);
    double x;

    if (!s)
        return otherwise;
    if (!cn_text_parse_double(s, &x))
        CN_BUG("case: %s=%s: expected a number", name, s);
    return x;
}

static void begin_section(struct llm_case *c, char *line, int number, const char *path)
{
    struct llm_section *s = &c->sections[c->n];
    size_t n = strcspn(line, " ");

    if (c->n++ == LLM_CASE_SECTIONS || n == 0 || n >= sizeof s->kind)
        CN_BUG("%s:%d: too many sections, or no kind", path, number);
    cn_text_format(s->kind, sizeof s->kind, "%.*s", (int)n, line);
    s->args = line + n;
    s->line = number;
}

void llm_case_read(const char *path, struct llm_case *out)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;
    char *line, *next;
    int number = 1;

    memset(out, 0, sizeof *out);
    cn_buf_init(&b, CN_CAP_CONFIG);
    if (cn_file_read(path, CN_CAP_CONFIG, &b, &err) != CN_OK)
        CN_BUG("%s", err.text);
    out->text = cn_buf_take(&b);
    out->spec = out->opts = "";
    for (line = out->text; line && *line; line = next, number++) {
        bool marks = strncmp(line, "=== ", 4) == 0;

        next = strchr(line, '\n');
        if (!next)
            CN_BUG("%s: its last line has no end", path);
        next++;
        if (marks || out->n == 0)
            next[-1] = '\0';
        if (marks) {
            line[-1] = '\0'; /* ends the section before; the case begins with other lines */
            if (out->n > 0 && out->sections[out->n - 1].text == line)
                out->sections[out->n - 1].text = "";
            begin_section(out, line + 4, number, path);
            out->sections[out->n - 1].text = next;
        } else if (out->n == 0 && strncmp(line, "spec: ", 6) == 0) {
            out->spec = line + 6;
        } else if (out->n == 0 && strncmp(line, "opts: ", 6) == 0) {
            out->opts = line + 6;
        } else if (out->n == 0 && *line != '#' && *line) {
            CN_BUG("%s:%d: expected spec: or opts:", path, number);
        }
    }
    if (!out->spec[0] || out->n == 0)
        CN_BUG("%s: no spec or no section", path);
}

void llm_case_clear(struct llm_case *c)
{
    cn_free(c->text);
}

/* ------------------------------------------------------------------ replies */

/* $KEY, $OTHER, $NUL and the line ends. */
static void expand(const char *text, const char *args, int other_port, struct cn_buf *out)
{
    const char *eol = llm_case_option(args, "eol");

    for (; *text; text++) {
        if (cn_text_starts(text, "$KEY")) {
            cn_buf_adds(out, LLM_CASE_KEY);
            text += 3;
        } else if (cn_text_starts(text, "$OTHER")) {
            cn_buf_printf(out, "http://127.0.0.1:%d", other_port);
            text += 5;
        } else if (cn_text_starts(text, "$NUL")) {
            cn_buf_addc(out, '\0');
            text += 3;
        } else if (*text == '\n' && eol) {
            cn_buf_adds(out, strcmp(eol, "crlf") == 0 ? "\r\n" : "\r");
        } else {
            cn_buf_addc(out, *text);
        }
    }
}

static void put_behaviour(const char *a, struct mock_step *s)
{
    s->times = (int)llm_case_number(a, "times", 1);
    s->repeat = (int)llm_case_number(a, "repeat", 1);
    s->split = (int)llm_case_number(a, "split", 0);
    s->pace_ms = (int)llm_case_number(a, "pace", 0);
    s->delay_ms = (int)llm_case_number(a, "delay", 0);
    s->drop_at = (long)llm_case_number(a, "drop", -1);
    s->stall_at = (long)llm_case_number(a, "stall", -1);
    s->chunked = llm_case_option(a, "chunked") != NULL;
    s->until_close = llm_case_option(a, "until-close") != NULL;
    s->hold = llm_case_option(a, "hold") != NULL;
    s->say_continue = llm_case_option(a, "continue") != NULL;
    s->none = llm_case_option(a, "none") != NULL;
    s->refuse = llm_case_option(a, "refuse") != NULL;
    s->trailers = llm_case_option(a, "trailers") ? "retry-after: 77\r\n" : NULL;
}

void llm_case_reply(const struct llm_section *s, int other_port, struct mock_llm *m)
{
    struct mock_step step = MOCK_STEP_INIT;
    const char *gap = s->text[0] == '\n' ? s->text - 1 : strstr(s->text, "\n\n"),
               *rest = s->args;
    struct cn_buf headers, body;

    rest += strspn(rest, " ");
    step.status = (int)strtol(rest, NULL, 10);
    put_behaviour(s->args, &step);
    cn_buf_init(&headers, CN_CAP_CONFIG);
    cn_buf_init(&body, CN_CAP_CONFIG);
    expand(gap ? gap + 2 : "", s->args, other_port, &body);
    if (strstr(s->text, "text/event-stream") && !llm_case_option(s->args, "raw"))
        expand("\n\n", s->args, other_port, &body);
    expand(s->text, "", other_port, &headers);
    if (gap) {
        const char *end = strstr(cn_buf_str(&headers), "\n\n");

        headers.len = s->text[0] == '\n' ? 0 : (size_t)(end + 1 - headers.data);
        if (headers.data)
            headers.data[headers.len] = '\0';
    }
    step.headers = cn_buf_str(&headers);
    step.body = cn_buf_str(&body);
    step.n = body.len;
    mock_llm_add(m, &step);
    cn_buf_clear(&headers);
    cn_buf_clear(&body);
}
