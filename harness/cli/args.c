/* The parser of harness/cli/cli.h and the help texts. */
#include <string.h>

#include "base/text.h"
#include "harness/cli/cli.h"

static int option_index(const struct cn_cli_verb *verb, const char *name)
{
    for (int i = 0; i < verb->n_options; i++)
        if (strcmp(verb->options[i].name, name) == 0)
            return i;
    return -1;
}

static cn_status unknown_option(const struct cn_cli_verb *verb, const char *word,
                                struct cn_err *err)
{
    const char *names[CN_CLI_OPTIONS + 1];
    int n = 0;

    for (; n < verb->n_options; n++)
        names[n] = verb->options[n].name;
    names[n++] = "help";
    const int near = cn_text_nearest(word, names, n);
    if (near >= 0)
        return cn_err_set(err, CN_EINPUT, "%s: unknown option --%s; did you mean --%s?",
                          verb->name, word, names[near]);
    return cn_err_set(err, CN_EINPUT, "%s: unknown option --%s; see cairn %s --help",
                      verb->name, word, verb->name);
}

static cn_status add_override(const struct cn_cli_verb *verb, const char *path,
                              const char *value, struct cn_cli_args *out, struct cn_err *err)
{
    if (!verb->overrides)
        return cn_err_set(err, CN_EINPUT, "%s takes no config overrides, found --%s",
                          verb->name, path);
    if (!value)
        return cn_err_set(err, CN_EINPUT, "%s: --%s wants a value", verb->name, path);
    if (out->n_overrides == CN_CLI_OVERRIDES)
        return cn_err_set(err, CN_ECAP, "%s: more than %d config overrides", verb->name,
                          CN_CLI_OVERRIDES);
    out->override[out->n_overrides++] = (struct cn_cli_override){path, value};
    return CN_OK;
}

/* One "--name", "--name value" or "--name=value"; *used says how many words it took. */
static cn_status parse_option(const struct cn_cli_verb *verb, int left, char **word, int *used,
                              struct cn_cli_args *out, struct cn_err *err)
{
    char *name = word[0] + 2;
    char *equals = strchr(name, '=');
    char *value = NULL;

    if (equals) {
        *equals = '\0'; /* argv is ours to cut */
        value = equals + 1;
    }
    *used = 1;
    const int at = option_index(verb, name);
    if (at < 0 && strchr(name, '.')) {
        if (!value && left > 1) {
            value = word[1];
            *used = 2;
        }
        return add_override(verb, name, value, out, err);
    }
    if (at < 0)
        return unknown_option(verb, name, err);
    if (out->value[at])
        return cn_err_set(err, CN_EINPUT, "%s: --%s is given twice", verb->name, name);
    if (!verb->options[at].value) {
        if (value)
            return cn_err_set(err, CN_EINPUT, "%s: --%s takes no value, found '%s'", verb->name,
                              name, value);
        out->value[at] = "";
        return CN_OK;
    }
    if (!value) {
        if (left < 2)
            return cn_err_set(err, CN_EINPUT, "%s: --%s wants a value (%s)", verb->name, name,
                              verb->options[at].value);
        value = word[1];
        *used = 2;
    }
    out->value[at] = value;
    return CN_OK;
}

cn_status cn_cli_parse(const struct cn_cli_verb *verb, int argc, char **argv,
                       struct cn_cli_args *out, struct cn_err *err)
{
    memset(out, 0, sizeof(*out));
    out->verb = verb;
    for (int i = 0; i < argc;) {
        int used = 1;
        if (cn_text_starts(argv[i], "--") && argv[i][2]) {
            const cn_status st = parse_option(verb, argc - i, argv + i, &used, out, err);
            if (st != CN_OK)
                return st;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return cn_err_set(err, CN_EINPUT,
                              "%s: unknown option %s; options are spelt with two dashes",
                              verb->name, argv[i]);
        } else {
            if (out->n_positional == verb->max_positional)
                return cn_err_set(err, CN_EINPUT,
                                  "%s: one word too many: '%s'; usage: cairn %s %s", verb->name,
                                  argv[i], verb->name, verb->usage);
            out->positional[out->n_positional++] = argv[i];
        }
        i += used;
    }
    if (out->n_positional < verb->min_positional)
        return cn_err_set(err, CN_EINPUT, "%s: too few words; usage: cairn %s %s", verb->name,
                          verb->name, verb->usage);
    return CN_OK;
}

const char *cn_cli_value(const struct cn_cli_args *args, const char *name)
{
    const int at = option_index(args->verb, name);

    if (at < 0)
        CN_BUG("verb %s has no option --%s", args->verb->name, name);
    return args->value[at];
}

bool cn_cli_flag(const struct cn_cli_args *args, const char *name)
{
    return cn_cli_value(args, name) != NULL;
}

cn_status cn_cli_int(const struct cn_cli_args *args, const char *name, int64_t lo, int64_t hi,
                     int64_t fallback, int64_t *out, struct cn_err *err)
{
    const char *text = cn_cli_value(args, name);

    *out = fallback;
    if (!text)
        return CN_OK;
    if (!cn_text_parse_int64(text, out) || *out < lo || *out > hi)
        return cn_err_set(err, CN_EINPUT,
                          "%s: --%s wants a whole number from %lld to %lld, found '%s'",
                          args->verb->name, name, (long long)lo, (long long)hi, text);
    return CN_OK;
}

cn_status cn_cli_number(const struct cn_cli_args *args, const char *name, double lo, double hi,
                        double fallback, double *out, struct cn_err *err)
{
    const char *text = cn_cli_value(args, name);

    *out = fallback;
    if (!text)
        return CN_OK;
    if (!cn_text_parse_double(text, out) || !(*out >= lo && *out <= hi))
        return cn_err_set(err, CN_EINPUT, "%s: --%s wants a number from %g to %g, found '%s'",
                          args->verb->name, name, lo, hi, text);
    return CN_OK;
}

void cn_cli_verb_help(const struct cn_cli_verb *verb)
{
    printf("usage: cairn %s %s\n\n%s\n", verb->name, verb->usage, verb->summary);
    if (*verb->details)
        printf("\n%s\n", verb->details);
    printf("\noptions:\n");
    for (int i = 0; i < verb->n_options; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", verb->options[i].name,
                 verb->options[i].value ? verb->options[i].value : "");
        printf("  %-24s %s\n", left, verb->options[i].meaning);
    }
    if (verb->overrides)
        printf("  %-24s %s\n", "--SECTION.KEY VALUE",
               "override a value of the config, e.g. --training.lr_W 1.0e-3");
    printf("  %-24s %s\n", "--help", "this text");
    printf("\nexample:\n  %s\n", verb->example);
}

void cn_cli_help(void)
{
    printf("cairn runs autonomous explorations of training landscapes and keeps an honest "
           "record of them.\n\n"
           "usage: cairn VERB [words] [--options]      cairn VERB --help\n\n");
    for (int i = 0; i < cn_cli_n_verbs; i++)
        printf("  %-12s %s\n", cn_cli_verbs[i]->name, cn_cli_verbs[i]->summary);
    printf("\nfrom a checkout also: ./cairn test (every test that needs no GPU), ./cairn bench "
           "[NAME] [--json]\n");
    printf("\nexit codes: 0 done · 1 a bug · 2 bad input · 3 diverged · 4 no memory or disk · "
           "5 stopped on request · 75 run in use\n"
           "a first look:\n  cairn demo\n");
}
