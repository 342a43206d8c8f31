/* cairn train, generate, evaluate, plot, describe: cairn-train in the foreground. */
#include "harness/cli/forward.h"
#include "harness/cli/verbs.h"

static const struct cn_cli_option train_options[] = {
    {"out", "DIR", "run folder (default: a fresh one below runs/)"},
    {"resume", NULL, "go on from the checkpoint in DIR"},
};
static const struct cn_cli_option out_option[] = {
    {"out", "DIR", "run folder (default: the folder given, or a fresh one below runs/)"},
};

static int run_train(const struct cn_cli_args *args)
{
    return cn_cli_forward_config(args, "run");
}

static int run_generate(const struct cn_cli_args *args)
{
    return cn_cli_forward_config(args, "generate");
}

static int run_evaluate(const struct cn_cli_args *args)
{
    return cn_cli_forward_config(args, "evaluate");
}

static int run_plot(const struct cn_cli_args *args)
{
    return cn_cli_forward_config(args, "plot");
}

static int run_describe(const struct cn_cli_args *args)
{
    const char *argv[] = {"describe", args->positional[0], NULL};

    return cn_cli_forward(argv);
}

const struct cn_cli_verb cn_verb_train = {
    "train",
    "CONFIG|DIR [--out DIR] [--resume]",
    "train one config: generate, train, evaluate, plot",
    "The run folder holds config.yaml, metrics.jsonl, result.json, the figures and "
    "model.safetensors.\n"
    "Ctrl-C writes a checkpoint; --resume on the same folder goes on, bit for bit.",
    "cairn train configs/fly/demo.yaml --training.lr_W 1.0e-3",
    train_options,
    2,
    1,
    1,
    true,
    run_train};
const struct cn_cli_verb cn_verb_generate = {"generate",
                                             "CONFIG|DIR [--out DIR]",
                                             "only make the data set of a config",
                                             "",
                                             "cairn generate configs/fly/demo.yaml",
                                             out_option,
                                             1,
                                             1,
                                             1,
                                             true,
                                             run_generate};
const struct cn_cli_verb cn_verb_evaluate = {"evaluate",
                                             "DIR [--out DIR]",
                                             "measure the trained model of a run folder again",
                                             "",
                                             "cairn evaluate runs/demo/iter_000001",
                                             out_option,
                                             1,
                                             1,
                                             1,
                                             true,
                                             run_evaluate};
const struct cn_cli_verb cn_verb_plot = {"plot",
                                         "DIR [--out DIR]",
                                         "draw the figures of a run folder again",
                                         "",
                                         "cairn plot runs/demo/iter_000001",
                                         out_option,
                                         1,
                                         1,
                                         1,
                                         true,
                                         run_plot};
const struct cn_cli_verb cn_verb_describe = {
    "describe",
    "STUDY",
    "print a study's parameters, metrics and figures as JSON",
    "",
    "cairn describe fly",
    NULL,
    0,
    1,
    1,
    false,
    run_describe};
