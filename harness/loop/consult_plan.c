/* A kept proposal becomes a plan, or the words why it does not. See consult_int.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/consult_int.h"
#include "harness/loop/hybrid.h"
#include "ucb/select.h"

enum { STORY = CN_RULE_TEXT + 1200 };

static void add(char *story, const char *before, const char *words)
{
    size_t n = strlen(story);

    (void)snprintf(story + n, STORY - n, "%s%s", before, words);
}

/* The score that the parent has now; NaN: not scored. */
static cn_status score_of(const struct cn_work *w, const struct cn_view *v, int64_t parent,
                          double *out, char text[96])
{
    struct cn_score_table scores;
    cn_status st = cn_plan_scores(w->pl, w->h, v->block->number, &scores, w->err);
    const struct cn_score_row *row = st == CN_OK ? cn_score_get(&scores, parent) : NULL;

    *out = row ? row->score : (double)NAN;
    text[0] = '\0';
    if (row)
        cn_text_format(text, 96, " (score %.3f, visits %lld)", row->score,
                       (long long)row->visits);
    if (st == CN_OK)
        cn_score_clear(&scores);
    return st;
}

/* The row that fires, as it is written for every proposer; a model that went its own way is not
 * counted as that row's. */
static cn_status tell(const struct cn_work *w, struct cn_view *v, const struct cn_wish *x,
                      int64_t parent, char story[STORY])
{
    struct cn_rule_choice choice;
    char score[96], text[400];
    cn_strategy s = CN_STRATEGY_OTHER;
    cn_status st = cn_plan_choose_row(w, v, &choice);

    if (st == CN_OK)
        st = score_of(w, v, parent, &w->out->iteration.scored_value, score);
    if (st != CN_OK)
        return st;
    (void)cn_strategy_parse(x->said.strategy, &s);
    cn_text_format(text, sizeof text, "%.200s chose node %lld%s", x->author, (long long)parent,
                   score);
    story[0] = '\0';
    if (s == choice.strategy && s != CN_STRATEGY_OTHER) {
        add(story, "", choice.text);
        add(story, "; ", text);
    } else {
        add(story, "", text);
        add(story, ", by a choice of its own: ", x->said.strategy);
        add(story, "; the table says ", choice.text);
    }
    return CN_OK;
}

/* The hypothesis as people read it, and the prediction as it will be scored. */
static cn_status put_prediction(const struct cn_work *w, const struct cn_said_proposal *p)
{
    struct cn_prediction *kept;
    char expects[160] = "", number[CN_NUM_TEXT], text[CN_CONSULT_PHRASE + 200];

    if (!isnan(p->expected))
        cn_text_format(expects, sizeof expects, "; expects %.80s = %s", w->h->info.reward,
                       cn_text_double(p->expected, number));
    cn_text_format(text, sizeof text, "%.*s%s", CN_CONSULT_PHRASE, p->hypothesis, expects);
    if (!isnan(p->probability))
        cn_text_format(text + strlen(text), sizeof text - strlen(text), ", p = %s",
                       cn_text_double(p->probability, number));
    w->out->iteration.hypothesis = cn_work_words(w, text);
    if (isnan(p->expected) && !p->prediction[0])
        return CN_OK;
    kept = cn_arena_alloc(&w->out->arena, 1, sizeof *kept);
    if (!kept)
        return cn_work_no_memory(w);
    *kept =
        (struct cn_prediction){cn_work_words(w, p->prediction), p->expected, p->probability};
    w->out->iteration.prediction = kept;
    return CN_OK;
}

static cn_status take(const struct cn_work *w, struct cn_view *v, const struct cn_wish *x,
                      const struct cn_mutated *m, int64_t rerun)
{
    int64_t parent = rerun ? rerun : x->said.parent ? x->said.parent : v->root->id;
    char story[STORY];
    cn_strategy s;
    const char *strategy = x->said.strategy;
    cn_status st = tell(w, v, x, parent, story);

    if (cn_strategy_parse(strategy, &s) && s != CN_STRATEGY_OTHER)
        strategy = cn_strategy_name(s);
    if (st == CN_OK && rerun)
        cn_plan_rerun(w, rerun, strategy, story);
    else if (st == CN_OK)
        st = cn_work_take_node(w, m, parent, strategy, x->author);
    if (st != CN_OK)
        return st;
    w->out->iteration.parent_rule = cn_work_words(w, story);
    return put_prediction(w, &x->said);
}

/* *out_why: why the embedded proposer fills the place; "" when nobody else was asked. */
static cn_status try_wish(const struct cn_work *w, struct cn_view *v, const struct cn_wish *x,
                          bool *out_planned, const char **out_why)
{
    struct cn_err why = CN_ERR_INIT;
    struct cn_mutated m;
    int64_t rerun;
    cn_status st = cn_consult_vet(w, v, &x->said, &m, &rerun, &why);

    if (st == CN_EINPUT || st == CN_EEXIST) {
        char text[CN_ERR_TEXT];

        cn_text_format(text, sizeof text,
                       "what the model proposed does not hold any more (%.*s)", CN_ERR_TEXT / 2,
                       why.text);
        *out_why = cn_work_words(w, text);
        return CN_OK;
    }
    if (st != CN_OK)
        return cn_err_set(w->err, st, "%s", why.text);
    st = take(w, v, x, &m, rerun);
    *out_planned = st == CN_OK;
    cn_mutated_clear(&m);
    return st;
}

/* Why nobody was asked. */
static const char *whose_turn(const struct cn_work *w)
{
    struct cn_hybrid x;
    struct cn_buf text;
    const char *words;

    if (cn_hybrid_turn(w->pl, w->h, w->id))
        return "the model was not asked";
    cn_hybrid_share(w->pl, w->h, &x);
    cn_buf_init(&text, CN_CAP_RECORD);
    cn_buf_adds(&text, "its turn; ");
    cn_hybrid_text(&x, &text);
    words = cn_work_words(w, cn_buf_str(&text));
    cn_buf_clear(&text);
    return words;
}

cn_status cn_plan_said(const struct cn_work *w, struct cn_view *v)
{
    const struct cn_sayings *s = w->pl->opt_sayings;
    const struct cn_wish *x = s ? cn_sayings_wish(s, w->id) : NULL;
    const struct cn_gap *gap = s && !x ? cn_sayings_gap(s, w->id) : NULL;
    const char *why = gap ? gap->why : "";
    char text[STORY + CN_ERR_TEXT];
    bool planned = false;
    cn_status st = x ? try_wish(w, v, x, &planned, &why) : CN_OK;

    if (st != CN_OK || planned)
        return st;
    if (!x && !gap)
        why = whose_turn(w);
    st = cn_plan_embedded(w, v);
    if (st != CN_OK)
        return st;
    cn_text_format(text, sizeof text, "%.*s; proposed by embedded: %.*s", STORY,
                   w->out->iteration.parent_rule, CN_ERR_TEXT - 40, why);
    w->out->iteration.parent_rule = cn_work_words(w, text);
    return CN_OK;
}

bool cn_plan_said_regime(const struct cn_work *w, int64_t block, const double *from, double *to)
{
    const struct cn_sayings *s = w->pl->opt_sayings;
    const struct cn_dims *d = &w->pl->search->simulation;
    bool any = false;

    if (!s || s->block != block - 1)
        return false;
    for (int32_t i = 0; i < d->space.n; i++)
        to[i] = from[i];
    for (int k = 0; k < s->n_regime; k++) {
        const struct cn_trainer_param *p =
            cn_trainer_param(w->pl->trainer, s->regime[k].path, NULL);
        double x = (double)NAN;

        for (int32_t i = 0; p && i < d->space.n; i++)
            if (d->of[i] == p && !isnan(x = cn_search_value(d, i, s->regime[k].value))) {
                to[i] = x;
                any = true;
            }
    }
    return any;
}
