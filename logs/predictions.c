/* See predictions.h. */
#include "logs/predictions.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/stats.h"
#include "base/text.h"
#include "logs/best.h"
#include "logs/project_int.h"
#include "logs/table.h"

enum { SHOWN = 8, AUTHORS = 16 };
static const double without_noise = 0.05;

/* By how much a single training may miss a number that holds. */
static double tolerance(const struct cn_history *h, double expected)
{
    struct cn_noise noise = CN_NOISE_INIT;

    for (int64_t i = 0; i < h->n_nodes; i++) {
        struct cn_spread s = cn_history_spread(h, h->nodes[i].id, CN_POOL_SEARCH);

        if (s.n > 1)
            cn_noise_add(&noise, s.n, s.std);
    }
    return noise.df > 0 ? noise.std * cn_stats_student(CN_BEST_CONFIDENCE, noise.df)
                        : without_noise * fabs(expected);
}

/* The reward as the trainer gives it. */
static double metric_of(const struct cn_history *h, const struct cn_iteration *it)
{
    return h->info.reward_lower_is_better ? -it->reward : it->reward;
}

static bool held(const struct cn_history *h, const struct cn_iteration *it, double slack)
{
    double miss; /* how much worse than expected */

    if (it->outcome != CN_OUTCOME_OK)
        return false;
    miss = it->prediction->expected - metric_of(h, it);
    return (h->info.reward_lower_is_better ? -miss : miss) <= slack;
}

static const char *author_of(const struct cn_history *h, const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    return n ? n->proposer : "";
}

void cn_predictions_score(const struct cn_history *h, const char *author,
                          struct cn_prediction_score *out)
{
    double sum = 0;

    *out = (struct cn_prediction_score){.brier = (double)NAN};
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        const struct cn_prediction *p = it->prediction;
        bool yes;

        if (!p || (author && strcmp(author_of(h, it), author) != 0))
            continue;
        if (it->state != CN_ITER_COMMITTED) {
            out->open++;
            continue;
        }
        if (isnan(p->expected)) {
            out->words++;
            continue;
        }
        yes = held(h, it, tolerance(h, p->expected));
        out->n++;
        out->held += yes;
        if (isnan(p->probability))
            continue;
        out->n_brier++;
        sum += (p->probability - (yes ? 1 : 0)) * (p->probability - (yes ? 1 : 0));
    }
    if (out->n_brier > 0)
        out->brier = sum / (double)out->n_brier;
}

static void put_score(const struct cn_prediction_score *s, struct cn_buf *out)
{
    char number[CN_NUM_TEXT];

    cn_buf_printf(out, "%lld of %lld held", (long long)s->held, (long long)s->n);
    if (s->n_brier > 0)
        cn_buf_printf(out, "; Brier score %s of %lld", cn_text_brief(s->brier, number),
                      (long long)s->n_brier);
    if (s->words > 0)
        cn_buf_printf(out, "; %lld without a number", (long long)s->words);
    if (s->open > 0)
        cn_buf_printf(out, "; %lld open", (long long)s->open);
}

static void put_one(const struct cn_history *h, const struct cn_iteration *it,
                    struct cn_buf *out)
{
    const struct cn_prediction *p = it->prediction;
    char number[CN_NUM_TEXT];

    cn_buf_printf(out, "- iteration %lld: ", (long long)it->id);
    cn_prose(out, p->words);
    if (!isnan(p->expected))
        cn_buf_printf(out, "%s%s %s", p->words[0] ? "; " : "", h->info.reward,
                      cn_text_brief(p->expected, number));
    if (!isnan(p->probability))
        cn_buf_printf(out, " (p %s)", cn_text_brief(p->probability, number));
    if (it->state != CN_ITER_COMMITTED)
        cn_buf_adds(out, ": open");
    else if (it->outcome != CN_OUTCOME_OK)
        cn_buf_printf(out, ": %s", cn_outcome_name(it->outcome));
    else
        cn_buf_printf(out, ": came out at %s%s", cn_text_brief(metric_of(h, it), number),
                      isnan(p->expected)                       ? ""
                      : held(h, it, tolerance(h, p->expected)) ? ", held"
                                                               : ", did not hold");
    cn_buf_adds(out, "\n");
}

void cn_predictions_text(const struct cn_history *h, struct cn_buf *out)
{
    struct cn_prediction_score all;
    int64_t skip = 0;

    cn_predictions_score(h, NULL, &all);
    if (all.n + all.words + all.open == 0)
        return;
    put_score(&all, out);
    cn_buf_adds(out, "\n");
    for (int64_t i = 0; i < h->n_iterations; i++)
        skip += h->iterations[i].prediction != NULL;
    for (int64_t i = 0; i < h->n_iterations; i++)
        if (h->iterations[i].prediction && skip-- <= SHOWN)
            put_one(h, &h->iterations[i], out);
}

static int list_authors(const struct cn_history *h, const char **names)
{
    int n = 0;

    for (int64_t i = 0; i < h->n_iterations && n < AUTHORS; i++) {
        const char *name = author_of(h, &h->iterations[i]);
        int k = 0;

        while (k < n && strcmp(names[k], name) != 0)
            k++;
        if (h->iterations[i].prediction && k == n)
            names[n++] = name;
    }
    return n;
}

/* How a hybrid shared its turns, block by block; the last ones. */
static void put_shares(const struct cn_history *h, bool below, struct cn_buf *out)
{
    int64_t skip = 0;

    for (int64_t i = 0; i < h->n_events; i++)
        skip += strcmp(h->events[i].kind, CN_PREDICTIONS_SHARE) == 0;
    if (skip > 0 && below)
        cn_buf_addc(out, '\n');
    for (int64_t i = 0; i < h->n_events; i++)
        if (strcmp(h->events[i].kind, CN_PREDICTIONS_SHARE) == 0 && skip-- <= SHOWN) {
            cn_buf_adds(out, "- ");
            cn_prose(out, h->events[i].text);
            cn_buf_addc(out, '\n');
        }
}

static void put_authors(const struct cn_history *h, const char **names, int n,
                        struct cn_buf *out)
{
    char number[CN_NUM_TEXT];

    cn_buf_adds(out,
                "| Proposer | Predictions | Held | Brier score | Without a number | Open |\n"
                "|---|---|---|---|---|---|\n");
    for (int i = 0; i < n; i++) {
        struct cn_prediction_score s;

        cn_predictions_score(h, names[i], &s);
        cn_buf_adds(out, "| ");
        cn_prose_cell(out, names[i], 60);
        cn_buf_printf(out, " | %lld | %lld | %s | %lld | %lld |\n", (long long)s.n,
                      (long long)s.held, s.n_brier ? cn_text_brief(s.brier, number) : "",
                      (long long)s.words, (long long)s.open);
    }
}

void cn_predictions_table(const struct cn_history *h, struct cn_buf *out)
{
    const char *names[AUTHORS];
    int n = list_authors(h, names);

    if (n > 0)
        put_authors(h, names, n, out);
    put_shares(h, n > 0, out);
}
