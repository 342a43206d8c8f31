/* The exchange without tools: what is wanted as one line for programs, and one JSON object as the
 * answer. The object is looked for with tolerance and read strictly. See consult_int.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/consult_int.h"

/* ------------------------------------------------------------------ what is wanted */

static void put_list(struct cn_json_writer *w, const char *key, const int64_t *ids, int n)
{
    cn_json_open(w, key, '[');
    for (int i = 0; i < n; i++)
        cn_json_add_int(w, NULL, ids[i]);
    cn_json_close(w);
}

static void put_parameters(struct cn_json_writer *w, const char *key, const struct cn_dims *d)
{
    cn_json_open(w, key, '[');
    for (int32_t i = 0; i < d->space.n; i++) {
        const struct cn_param *p = &d->space.params[i];

        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "path", d->of[i]->path);
        if (p->type == CN_PARAM_CHOICE) {
            cn_json_open(w, "values", '[');
            for (int32_t k = 0; k < p->n_choices; k++)
                cn_json_add_string(w, NULL, d->choices[i][k]);
            cn_json_close(w);
        } else if (p->type == CN_PARAM_BOOL) {
            cn_json_open(w, "values", '[');
            cn_json_add_string(w, NULL, "false");
            cn_json_add_string(w, NULL, "true");
            cn_json_close(w);
        } else {
            cn_json_add_double(w, "low", p->lo);
            cn_json_add_double(w, "high", p->hi);
            cn_json_add_bool(w, "whole", p->type == CN_PARAM_INT);
        }
        cn_json_close(w);
    }
    cn_json_close(w);
}

void cn_talk_wanted(const struct cn_talk *t, struct cn_buf *out)
{
    const struct cn_need *n = t->need;
    bool end = n->phase == CN_CONSULT_BLOCK_END;
    struct cn_json_writer w;

    cn_buf_adds(out, "WANTED ");
    cn_json_begin(&w, out, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "phase", cn_consult_phase_name(n->phase));
    cn_json_add_int(&w, "block", n->block);
    put_list(&w, "analyse", n->finished, n->n_finished);
    put_list(&w, "propose", n->propose, n->n_propose);
    cn_json_add_bool(&w, "summary", end);
    cn_json_add_bool(&w, "protocol_edit", end);
    cn_json_add_bool(&w, "memory", end);
    cn_json_add_bool(&w, "regime", end && n->next_regime);
    cn_json_add_bool(&w, "acknowledge", t->n_pending > 0);
    if (n->n_propose > 0)
        put_parameters(&w, "parameters", &t->r->search.training);
    if (end && n->next_regime)
        put_parameters(&w, "simulation", &t->r->search.simulation);
    cn_json_close(&w);
    cn_buf_adds(out, "\n");
}

/* ------------------------------------------------------------------ finding the object */

/* Length of the balanced {...} at `s`, strings respected; 0: it does not end. */
static size_t balanced(const char *s)
{
    bool quoted = false;
    int depth = 0;

    for (size_t i = 0; s[i]; i++) {
        if (quoted) {
            if (s[i] == '\\' && s[i + 1])
                i++;
            else if (s[i] == '"')
                quoted = false;
        } else if (s[i] == '"') {
            quoted = true;
        } else if (s[i] == '{') {
            depth++;
        } else if (s[i] == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

bool cn_talk_find_object(const char *text, size_t *out_start, size_t *out_n)
{
    const char *s = text;

    *out_start = *out_n = 0;
    while ((s = strstr(s, "```")) != NULL) {
        s += 3;
        s += strcspn(s, "\n");
        s += strspn(s, " \t\r\n");
        if (*s == '{' && (*out_n = balanced(s)) > 0) {
            *out_start = (size_t)(s - text);
            return true;
        }
    }
    for (s = strchr(text, '{'); s; s = strchr(s + 1, '{'))
        if ((*out_n = balanced(s)) > 0) {
            *out_start = (size_t)(s - text);
            return true;
        }
    return false;
}

/* ------------------------------------------------------------------ reading it */

/* A part of the object, and the tool call that each of its items stands for. */
static const struct part {
    const char *key, *tool;
    const char
        *field; /* the whole part is this field of the call; NULL: the call's arguments */
    bool many;
} parts[] = {
    {"analyses", "record_analysis", NULL, true},
    {"proposals", "propose", NULL, true},
    {"edits", "edit_protocol", NULL, true},
    {"protocol_edit", "edit_protocol", NULL, false},
    {"memory", "edit_memory", NULL, true},
    {"summary", "summarise_block", "text", false},
    {"regime", "propose_regime", "changes", false},
    {"answer_to_person", "acknowledge", "text", false},
    {"acknowledge", "acknowledge", "text", false},
};
enum { N_PARTS = sizeof parts / sizeof *parts };

struct object {
    struct cn_talk *t;
    struct cn_buf *reply;
    int wrong;
    struct cn_err *err;
};

static cn_status call_part(struct object *o, const struct part *p, const struct cn_json *v,
                           int index)
{
    struct cn_llm_block figure;
    struct cn_buf arguments, said;
    bool error = false;
    cn_status st;

    cn_buf_init(&arguments, CN_CAP_TEXT);
    cn_buf_init(&said, CN_CAP_TEXT);
    if (p->field)
        cn_buf_printf(&arguments, "{\"%s\":", p->field);
    cn_json_put_value(&arguments, v);
    if (p->field)
        cn_buf_addc(&arguments, '}');
    st = cn_talk_call(o->t, p->tool, cn_buf_str(&arguments), &said, &error, &figure, o->err);
    if (st == CN_OK && error) {
        o->wrong++;
        cn_buf_printf(o->reply, "- %s", p->key);
        if (p->many)
            cn_buf_printf(o->reply, "[%d]", index);
        cn_buf_printf(o->reply, ": %s\n", cn_buf_str(&said));
    }
    cn_buf_clear(&arguments);
    cn_buf_clear(&said);
    return st;
}

static bool is_empty(const struct cn_json *v)
{
    return cn_json_kind(v) == CN_JSON_NULL || (cn_json_string(v) && !cn_json_string(v)[0]) ||
           ((cn_json_kind(v) == CN_JSON_ARRAY || cn_json_kind(v) == CN_JSON_OBJECT) &&
            cn_json_count(v) == 0);
}

static cn_status take_part(struct object *o, const struct part *p, const struct cn_json *v)
{
    cn_status st = CN_OK;
    int i = 0;

    if (is_empty(v))
        return CN_OK;
    if (p->many && cn_json_kind(v) != CN_JSON_ARRAY) {
        o->wrong++;
        cn_buf_printf(o->reply, "- %s: expected a list\n", p->key);
        return CN_OK;
    }
    if (!p->many)
        return call_part(o, p, v, 0);
    for (const struct cn_json *x = cn_json_first(v); st == CN_OK && x; x = cn_json_next(x))
        st = call_part(o, p, x, i++);
    return st;
}

static void refuse_key(struct object *o, const char *name)
{
    const char *names[N_PARTS];
    int near;

    for (int i = 0; i < N_PARTS; i++)
        names[i] = parts[i].key;
    near = cn_text_nearest(name, names, N_PARTS);
    o->wrong++;
    cn_buf_printf(o->reply, "- %.60s: no such part%s%s%s\n", name,
                  near >= 0 ? "; did you mean \"" : "", near >= 0 ? names[near] : "",
                  near >= 0 ? "\"?" : "");
}

static cn_status take_object(struct object *o, const struct cn_json *root)
{
    cn_status st = CN_OK;

    for (const struct cn_json *m = cn_json_first(root); st == CN_OK && m; m = cn_json_next(m)) {
        const struct part *p = NULL;

        for (int i = 0; i < N_PARTS; i++)
            if (strcmp(parts[i].key, cn_json_name(m)) == 0)
                p = &parts[i];
        if (p)
            st = take_part(o, p, m);
        else
            refuse_key(o, cn_json_name(m));
    }
    return st;
}

cn_status cn_talk_object(struct cn_talk *t, const char *text, struct cn_buf *reply,
                         int *out_wrong, struct cn_err *err)
{
    struct object o = {t, reply, 0, err};
    struct cn_json_doc *doc = NULL;
    struct cn_err why = CN_ERR_INIT;
    size_t start, n;
    cn_status st;

    *out_wrong = 1;
    cn_buf_reset(reply);
    if (!cn_talk_find_object(text, &start, &n)) {
        cn_buf_adds(reply, "- there is no whole JSON object in the answer; expected one fenced "
                           "block ```json {...} ```\n");
        return CN_OK;
    }
    st = cn_json_parse("answer", text + start, n, &doc, &why);
    if (st == CN_ENOMEM)
        return cn_err_set(err, st, "%s", why.text);
    if (st != CN_OK) {
        cn_buf_printf(reply, "- %s\n", why.text);
        return CN_OK;
    }
    st = take_object(&o, cn_json_root(doc));
    cn_json_free(doc);
    *out_wrong = o.wrong;
    return st;
}
