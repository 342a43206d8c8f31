/* cairn: the command people type. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "harness/cli/verbs.h"

const struct cn_cli_verb *const cn_cli_verbs[] = {
    &cn_verb_demo,     &cn_verb_explore,  &cn_verb_resume,   &cn_verb_status, &cn_verb_tree,
    &cn_verb_log,      &cn_verb_stop,     &cn_verb_say,      &cn_verb_verify, &cn_verb_rebuild,
    &cn_verb_train,    &cn_verb_generate, &cn_verb_evaluate, &cn_verb_plot,   &cn_verb_describe,
    &cn_verb_protocol, &cn_verb_llm,      &cn_verb_import,   &cn_verb_export, &cn_verb_gc,
    &cn_verb_doctor,
};
const int cn_cli_n_verbs = (int)(sizeof cn_cli_verbs / sizeof *cn_cli_verbs);

static const struct cn_cli_verb *find_verb(const char *name)
{
    for (int i = 0; i < cn_cli_n_verbs; i++)
        if (strcmp(cn_cli_verbs[i]->name, name) == 0)
            return cn_cli_verbs[i];
    return NULL;
}

static int unknown_verb(const char *word)
{
    const char *names[64];

    for (int i = 0; i < cn_cli_n_verbs; i++)
        names[i] = cn_cli_verbs[i]->name;
    const int near = cn_text_nearest(word, names, cn_cli_n_verbs);
    if (near >= 0)
        fprintf(stderr, "cairn: unknown verb '%s'; did you mean '%s'?\n", word, names[near]);
    else
        fprintf(stderr, "cairn: unknown verb '%s'; cairn --help lists them\n", word);
    return 2;
}

static int wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_cli_args args;

    if (argc < 2) {
        cn_cli_help();
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        cn_cli_help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cairn %s\n", CAIRN_VERSION);
        return 0;
    }
    const struct cn_cli_verb *verb = find_verb(argv[1]);
    if (!verb)
        return unknown_verb(argv[1]);
    if (wants_help(argc - 2, argv + 2)) {
        cn_cli_verb_help(verb);
        return 0;
    }
    if (cn_cli_parse(verb, argc - 2, argv + 2, &args, &err) != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    return verb->run(&args);
}
