/* `cairn-train describe STUDY`: the describe table, the metrics and the figures as JSON
 * (contract, section 5). */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/json.h"
#include "base/text.h"
#include "trainer/fly/evaluate.h"
#include "trainer/fly/figures.h"
#include "trainer/run/config.h"

static const char *type_name(const struct cn_trainer_param *p)
{
    switch (p->type) {
    case CN_TRAINER_F64:
        return "float";
    case CN_TRAINER_BOOL:
        return "bool";
    case CN_TRAINER_CHOICE:
    case CN_TRAINER_TEXT:
        return "string";
    default:
        return "int";
    }
}

static void add_default(struct cn_json_writer *w, const struct cn_trainer_param *p)
{
    switch (p->type) {
    case CN_TRAINER_F64:
        cn_json_add_double(w, "default", p->preset);
        break;
    case CN_TRAINER_BOOL:
        cn_json_add_bool(w, "default", p->preset != 0);
        break;
    case CN_TRAINER_CHOICE:
        cn_json_add_string(w, "default", p->choices[(int)p->preset]);
        break;
    case CN_TRAINER_TEXT:
        cn_json_add_string(w, "default", p->preset_text);
        break;
    default:
        cn_json_add_int(w, "default", (int64_t)p->preset);
    }
}

static void add_range(struct cn_json_writer *w, const struct cn_trainer_param *p)
{
    bool number = p->type != CN_TRAINER_BOOL && p->type != CN_TRAINER_CHOICE &&
                  p->type != CN_TRAINER_TEXT;

    if (number) {
        cn_json_add_double(w, "min", p->min);
        cn_json_add_double(w, "max", p->max);
    } else {
        cn_json_add_null(w, "min");
        cn_json_add_null(w, "max");
    }
    cn_json_add_string(w, "scale", p->log ? "log" : "linear");
}

static void add_param(struct cn_json_writer *w, const struct cn_trainer_param *p)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "path", p->path);
    cn_json_open(w, "aliases", '[');
    for (int k = 0; k < 3 && p->aliases[k]; k++)
        cn_json_add_string(w, NULL, p->aliases[k]);
    cn_json_close(w);
    cn_json_add_string(w, "type", type_name(p));
    cn_json_add_string(w, "unit", p->unit);
    add_default(w, p);
    add_range(w, p);
    cn_json_open(w, "choices", '[');
    for (int k = 0; p->choices && p->choices[k]; k++)
        cn_json_add_string(w, NULL, p->choices[k]);
    cn_json_close(w);
    cn_json_add_string(w, "class", p->simulation ? "simulation" : "training");
    cn_json_add_string(w, "meaning", p->meaning);
    cn_json_open(w, "derives", '[');
    for (int k = 0; k < 2 && p->derives[k].path; k++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "path", p->derives[k].path);
        cn_json_add_int(w, "scale", p->derives[k].scale);
        cn_json_add_int(w, "offset", p->derives[k].offset);
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_close(w);
}

static void add_metric(struct cn_json_writer *w, const struct cn_fly_metric_info *m)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "name", m->name);
    cn_json_add_double(w, "min", m->min); /* infinite = no bound, written as null */
    cn_json_add_double(w, "max", m->max);
    cn_json_add_string(w, "better", m->better);
    cn_json_add_string(w, "role", m->role);
    cn_json_add_string(w, "meaning", m->meaning);
    cn_json_close(w);
}

cn_status cn_trainer_describe(const char *study, struct cn_buf *out, struct cn_err *err)
{
    struct cn_json_writer w;

    if (strcmp(study, "fly") != 0)
        return cn_err_set(err, CN_EINPUT, "no study \"%s\", expected fly", study);
    cn_json_begin(&w, out, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_int(&w, "contract", 1);
    cn_json_add_bool(&w, "checks", true);
    cn_json_add_string(&w, "study", "fly");
    cn_json_add_string(&w, "title", "FlyVis GNN");
    cn_json_open(&w, "parameters", '[');
    for (int k = 0; k < cn_trainer_fly_n_params; k++)
        if (!cn_trainer_fly_params[k].silent)
            add_param(&w, &cn_trainer_fly_params[k]);
    cn_json_close(&w);
    cn_json_open(&w, "metrics", '[');
    for (int k = 0; k < CN_FLY_N_METRICS; k++)
        add_metric(&w, &cn_fly_metric_table[k]);
    cn_json_close(&w);
    cn_json_open(&w, "figures", '[');
    for (int k = 0; k < CN_FLY_N_FIGURES; k++) {
        cn_json_open(&w, NULL, '{');
        cn_json_add_string(&w, "file", cn_fly_figure_table[k].file);
        cn_json_add_string(&w, "meaning", cn_fly_figure_table[k].meaning);
        cn_json_close(&w);
    }
    cn_json_close(&w);
    cn_json_close(&w);
    cn_buf_addc(out, '\n');
    return cn_buf_status(out) == CN_OK
               ? CN_OK
               : cn_err_set(err, cn_buf_status(out), "description too long");
}
