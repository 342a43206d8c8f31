/* The parts of a prompt, their ranks, and how the budget is shared. See evidence.h. */
#include "harness/loop/evidence.h"

#include <inttypes.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/evidence_int.h"
#include "logs/project.h"
#include "prompts/fill.h"

/* Without a known context: what every model of these days takes. */
enum { BUDGET_DEFAULT = 96 << 10, MEMORY_CAP = 48 << 10 };

enum {
    START = 1 << CN_CONSULT_START,
    ANALYSIS = 1 << CN_CONSULT_ANALYSIS,
    BLOCK_END = 1 << CN_CONSULT_BLOCK_END,
    MESSAGE = 1 << CN_CONSULT_MESSAGE,
    ALL = START | ANALYSIS | BLOCK_END | MESSAGE
};

static const char *const templates[] = {[CN_CONSULT_START] = "start",
                                        [CN_CONSULT_ANALYSIS] = "analysis",
                                        [CN_CONSULT_BLOCK_END] = "block_end",
                                        [CN_CONSULT_MESSAGE] = "message"};

/* The places of the four templates. The highest rank is the first to go. `or_else` stands where
 * there is nothing to show. */
static const struct row {
    const char *name;
    int phases, rank;
    size_t cap;
    const char *quoted, *or_else;
    cn_ev_put *put;
} rows[] = {
    {"now", ALL, 0, 0, NULL, "", cn_ev_now},
    {"messages", ALL, 0, 8 << 10, NULL, "None.", cn_ev_messages},
    {"row", ANALYSIS | MESSAGE, 0, 6 << 10, NULL, "None.", cn_ev_row},
    {"params", ALL, 1, 16 << 10, NULL, "None.", cn_ev_params},
    {"rules", BLOCK_END, 1, 0, NULL, "None.", cn_ev_rules},
    {"budget", ALL, 1, 2 << 10, NULL, "None.", cn_ev_budget},
    {"statistics", BLOCK_END, 1, 4 << 10, NULL, "Nothing was trained.", cn_ev_statistics},
    {"results", ANALYSIS | BLOCK_END, 1, 12 << 10, NULL, "None.", cn_ev_results},
    {"classical", START | ANALYSIS, 2, 6 << 10, NULL, "Not asked.", cn_ev_classical},
    {"metrics", ANALYSIS | BLOCK_END, 2, 8 << 10, NULL, "", cn_ev_metrics},
    {"tree", ANALYSIS | BLOCK_END | MESSAGE, 3, 24 << 10, "The nodes of the block, by id",
     "Empty: parent = root.", cn_ev_tree},
    {"effects", ANALYSIS | BLOCK_END, 3, 12 << 10, NULL, "None.", cn_ev_effects},
    {"entries", ANALYSIS | BLOCK_END, 4, 16 << 10, "Their entries, as the log will have them",
     "", cn_ev_entries},
    {"predictions", ANALYSIS | BLOCK_END, 4, 4 << 10, NULL, "None.", cn_ev_predictions},
    {"failure_1", ANALYSIS | BLOCK_END, 5, 3 << 10, "A failed training", "None.",
     cn_ev_failure_1},
    {"figures", ANALYSIS | BLOCK_END, 5, 4 << 10, NULL, "None.", cn_ev_figures},
    {"failure_2", ANALYSIS | BLOCK_END, 6, 3 << 10, "A failed training", "", cn_ev_failure_2},
    {"failure_3", ANALYSIS | BLOCK_END, 7, 3 << 10, "A failed training", "", cn_ev_failure_3},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* ------------------------------------------------------------------ what it is made of */

static cn_status look_at_block(struct cn_ev *e)
{
    struct cn_best_query q = CN_BEST_QUERY_INIT;
    struct cn_work w;
    bool planned;
    cn_status st;

    q.confidence = e->r->settings.confidence;
    q.block = e->root ? e->block->number : 0;
    st = cn_history_rank(e->h, &q, e->a, &e->rank, e->err);
    if (st != CN_OK || !e->root)
        return st;
    st = cn_view_init(&e->view, e->h, e->block->number, e->err);
    if (st == CN_OK)
        st = cn_view_rules(&e->view, e->h, &e->r->planner, e->err);
    if (st == CN_OK)
        st = cn_plan_scores(&e->r->planner, e->h, e->block->number, &e->scores, e->err);
    if (st != CN_OK)
        return st;
    cn_work_begin(&w, &e->r->planner, e->h, &e->plan, e->err);
    return cn_plan_partition(&w, &e->view, &e->opt_focus, &planned);
}

static cn_status begin(struct cn_ev *e)
{
    e->block =
        e->need->block ? cn_history_block(e->h, e->need->block) : cn_plan_open_block(e->h);
    e->root = e->block ? cn_plan_block_root(e->h, e->block->number) : NULL;
    cn_arena_init(&e->view.arena, CN_CAP_ARENA);
    cn_arena_init(&e->plan.arena, CN_CAP_ARENA);
    return look_at_block(e);
}

static void end(struct cn_ev *e)
{
    cn_plan_clear(&e->plan);
    cn_score_clear(&e->scores);
    cn_view_clear(&e->view);
}

/* ------------------------------------------------------------------ sections */

struct text {
    struct cn_buf out, left_out;
};

static void text_init(struct text *t, size_t cap)
{
    cn_buf_init(&t->out, cap);
    cn_buf_init(&t->left_out, CN_CAP_RECORD);
}

static void text_clear(struct text *t)
{
    cn_buf_clear(&t->out);
    cn_buf_clear(&t->left_out);
}

static void note_section(struct cn_shown *s, const char *name, size_t bytes)
{
    if (bytes > 0 && s->n_sections < CN_EVIDENCE_SECTIONS) {
        s->sections[s->n_sections].name = name;
        s->sections[s->n_sections++].bytes = bytes;
    }
}

static cn_status fill(const char *name, struct cn_fill_part *parts, int n, size_t budget,
                      struct cn_shown *s, struct text *t, struct cn_err *err)
{
    const char *template = cn_prompt_template(name);
    size_t shown[CN_FILL_PARTS] = {0};
    cn_status st;

    CN_ASSERT(template);
    for (int i = 0; i < n; i++)
        parts[i].opt_out_shown = &shown[i];
    st = cn_prompt_fill(name, template, parts, n, budget, &t->out, &t->left_out, err);
    for (int i = 0; st == CN_OK && i < n; i++)
        note_section(s, parts[i].name, shown[i]);
    return st;
}

static cn_status no_memory(struct cn_ev *e)
{
    return cn_err_set(e->err, CN_ENOMEM, "no memory for what the model is shown");
}

/* The text as a block of the prompt. */
static cn_status put_block(struct cn_ev *e, const struct text *t, bool mark,
                           struct cn_llm_block *b)
{
    *b = (struct cn_llm_block){.kind = CN_LLM_TEXT,
                               .text = cn_arena_strndup(e->a, cn_buf_str(&t->out), t->out.len),
                               .id = "",
                               .name = "",
                               .arguments = "",
                               .cache_mark = mark,
                               .media_type = ""};
    return b->text ? CN_OK : no_memory(e);
}

static void join_left_out(struct cn_buf *all, const struct text *t)
{
    if (t->left_out.len > 0)
        cn_buf_printf(all, "%s%s", all->len ? ", " : "", cn_buf_str(&t->left_out));
}

/* Role, contract, protocol: nothing in it changes within a block. */
static cn_status make_system(struct cn_ev *e, size_t budget, struct cn_shown *s, struct text *t)
{
    struct cn_fill_part parts[] = {
        {.name = "contract", .text = cn_prompt_template(e->caps->tools ? "tools" : "json")},
        {.name = "protocol", .text = e->r->protocol->text, .rank = 1},
    };

    return fill("system", parts, 2, budget, s, t, e->err);
}

static cn_status make_memory(struct cn_ev *e, size_t budget, struct cn_shown *s, struct text *t)
{
    struct cn_buf words, whole;
    struct cn_fill_part part = {
        .name = "memory", .rank = 1, .cap = MEMORY_CAP, .quoted = "The memory"};
    cn_status st;

    cn_buf_init(&words, CN_CAP_TEXT);
    cn_buf_init(&whole, CN_CAP_TEXT);
    st = cn_store_text(e->r->store, "memory", 0, &words, NULL);
    if (st == CN_ENOTFOUND)
        st = CN_OK;
    else if (st != CN_OK)
        st = cn_err_set(e->err, st, "the memory cannot be read from the store");
    if (st == CN_OK) {
        cn_project_memory(e->h, cn_buf_str(&words), &whole);
        part.text = cn_buf_str(&whole);
        st = cn_buf_status(&whole) == CN_OK ? fill("memory", &part, 1, budget, s, t, e->err)
                                            : no_memory(e);
    }
    cn_buf_clear(&words);
    cn_buf_clear(&whole);
    return st;
}

/* ------------------------------------------------------------------ the message */

static cn_status make_part(struct cn_ev *e, const struct row *row, struct cn_buf *buf,
                           struct cn_fill_part *part)
{
    cn_status st = row->put(e, buf);

    while (buf->len > 0 && buf->data[buf->len - 1] == '\n')
        buf->data[--buf->len] = '\0';
    if (st == CN_OK && cn_buf_status(buf) != CN_OK)
        st = cn_err_set(e->err, cn_buf_status(buf), "prompt: %s is too long", row->name);
    *part = (struct cn_fill_part){.name = row->name,
                                  .text = buf->len ? cn_buf_str(buf) : row->or_else,
                                  .rank = row->rank,
                                  .cap = row->cap,
                                  .quoted = buf->len ? row->quoted : NULL};
    return st;
}

static cn_status make_text(struct cn_ev *e, size_t budget, struct cn_shown *s, struct text *t)
{
    struct cn_fill_part parts[ROWS];
    struct cn_buf bufs[ROWS];
    int n = 0;
    cn_status st = CN_OK;

    for (size_t i = 0; st == CN_OK && i < ROWS; i++) {
        if (!(rows[i].phases & 1 << e->need->phase))
            continue;
        cn_buf_init(&bufs[n], CN_CAP_TEXT);
        st = make_part(e, &rows[i], &bufs[n], &parts[n]);
        n++;
    }
    if (st == CN_OK)
        st = fill(templates[e->need->phase], parts, n, budget, s, t, e->err);
    for (int i = 0; i < n; i++)
        cn_buf_clear(&bufs[i]);
    return st;
}

/* Figures first, then the text. */
static cn_status put_message(struct cn_ev *e, const struct text *t, struct cn_shown *s,
                             struct cn_buf *left_out)
{
    struct cn_llm_block *b =
        cn_arena_alloc(e->a, (size_t)e->n_figures + 1, sizeof *s->message.blocks);
    size_t bytes = 0;
    int n = 0;

    if (!b)
        return no_memory(e);
    for (int i = 0; i < e->n_figures; i++)
        if (e->figures[i].block.image_size > 0) {
            b[n++] = e->figures[i].block;
            bytes += e->figures[i].block.image_size;
        }
    if (n < e->n_figures)
        cn_buf_printf(left_out, "%sfigures %d", left_out->len ? ", " : "", e->n_figures - n);
    note_section(s, "images", bytes);
    s->message = (struct cn_llm_message){CN_LLM_USER, b, n + 1};
    return put_block(e, t, false, &b[n]);
}

/* The prefix may take half of it, the memory a third of the rest. */
static cn_status make_all(struct cn_ev *e, size_t budget, struct cn_shown *s, struct text t[3])
{
    struct cn_llm_block *system = cn_arena_alloc(e->a, 2, sizeof *system);
    struct cn_buf left_out;
    cn_status st = system ? make_system(e, budget / 2, s, &t[0]) : no_memory(e);

    if (st == CN_OK)
        st = make_memory(e, (budget - t[0].out.len) / 3, s, &t[1]);
    if (st == CN_OK)
        st = cn_ev_pick_figures(e);
    if (st == CN_OK)
        st = make_text(e, budget - t[0].out.len - t[1].out.len, s, &t[2]);
    if (st == CN_OK)
        st = put_block(e, &t[0], true, &system[0]);
    if (st == CN_OK)
        st = put_block(e, &t[1], true, &system[1]);
    if (st != CN_OK)
        return st;
    s->system = system;
    s->n_system = 2;
    cn_buf_init(&left_out, CN_CAP_RECORD);
    for (int i = 0; i < 3; i++)
        join_left_out(&left_out, &t[i]);
    st = put_message(e, &t[2], s, &left_out);
    s->left_out = cn_arena_strdup(e->a, cn_buf_str(&left_out));
    cn_buf_clear(&left_out);
    return st == CN_OK && !s->left_out ? no_memory(e) : st;
}

cn_status cn_evidence_make(struct cn_run *r, const struct cn_history *h,
                           const struct cn_need *need, const struct cn_llm_caps *caps,
                           size_t budget, struct cn_shown *out, struct cn_err *err)
{
    struct cn_ev e = {.r = r, .h = h, .need = need, .caps = caps, .a = &out->arena, .err = err};
    struct text t[3];
    cn_status st;

    memset(out, 0, sizeof *out);
    out->left_out = "";
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    if (budget == 0) /* a third of the context, at three bytes a token */
        budget = caps->context_tokens > 0 ? (size_t)caps->context_tokens : BUDGET_DEFAULT;
    for (int i = 0; i < 3; i++)
        text_init(&t[i], CN_CAP_TEXT);
    st = begin(&e);
    if (st == CN_OK)
        st = make_all(&e, budget, out, t);
    for (int i = 0; i < 3; i++)
        text_clear(&t[i]);
    end(&e);
    if (st != CN_OK)
        cn_shown_clear(out);
    return st;
}

void cn_shown_clear(struct cn_shown *e)
{
    cn_arena_clear(&e->arena);
    memset(e, 0, sizeof *e);
    e->left_out = "";
}
