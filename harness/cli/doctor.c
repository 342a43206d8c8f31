/* cairn doctor: is this machine ready? One line per check; exit 0 when nothing is broken. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/proc.h"
#include "harness/cli/llm.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"

typedef enum { GOOD, NOTE, BROKEN } verdict;

static int n_broken;

static void tell(verdict v, const char *what, const char *words)
{
    static const char *const mark[] = {"ok    ", "note  ", "BROKEN"};

    n_broken += v == BROKEN;
    printf("%s  %-14s %s\n", mark[v], what, words);
}

static void check_program(const char *what, const char *program, const char *without)
{
    char *path = cn_proc_which(program);

    tell(path ? GOOD : NOTE, what, path ? path : without);
    cn_free(path);
}

static void check_trainer(void)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit end;
    struct cn_buf out;
    struct cn_json_doc *doc = NULL;
    char *program;
    const char *argv[] = {NULL, "describe", "fly", NULL};

    cn_buf_init(&out, CN_CAP_CAPTURE);
    cn_status st = cn_cli_program("cairn-train", &program, &err);
    argv[0] = program;
    o.argv = argv;
    if (st == CN_OK)
        st = cn_proc_run(&o, NULL, 0, 20000, &out, NULL, &end, &err);
    if (st == CN_OK && !(end.exited && end.code == 0))
        st = cn_err_set(&err, CN_EIO, "cairn-train describe fly ends with code %d", end.code);
    if (st == CN_OK)
        st = cn_json_parse("describe", cn_buf_str(&out), out.len, &doc, &err);
    tell(st == CN_OK ? GOOD : BROKEN, "cairn-train", st == CN_OK ? program : err.text);
    cn_json_free(doc);
    cn_free(program);
    cn_buf_clear(&out);
}

static void check_supervisor(void)
{
    struct cn_err err = CN_ERR_INIT;
    char *program;
    const cn_status st = cn_cli_program("cairn-job", &program, &err);

    tell(st == CN_OK ? GOOD : BROKEN, "cairn-job", st == CN_OK ? program : err.text);
    cn_free(program);
}

static void check_disk(void)
{
    struct statvfs fs;
    char words[128];

    if (statvfs(".", &fs) != 0) {
        tell(BROKEN, "disk", "the current folder cannot be looked at");
        return;
    }
    const double free_gib = (double)fs.f_bavail * (double)fs.f_frsize / (1024.0 * 1024 * 1024);
    snprintf(words, sizeof words, "%.1f GiB free here", free_gib);
    tell(free_gib < 0.5 ? BROKEN : free_gib < 5 ? NOTE : GOOD, "disk", words);
    tell(access(".", W_OK) == 0 ? GOOD : BROKEN, "workspace",
         access(".", W_OK) == 0 ? "runs/ in the current folder"
                                : "the current folder is not writable");
}

static void check_machine(void)
{
    char words[128], now[CN_TIME_TEXT];

    snprintf(words, sizeof words, "%d available to this process%s",
             cn_pool_available_processors(),
#if defined(__x86_64__)
             __builtin_cpu_supports("avx512f") ? ", AVX-512"
             : __builtin_cpu_supports("avx2")  ? ", AVX2"
                                               : ", no AVX2: slow"
#else
             ""
#endif
    );
    tell(GOOD, "processors", words);
    tell(cn_clock_now_ms() > 1700000000000 ? GOOD : NOTE, "clock",
         cn_clock_iso(cn_clock_now_ms(), now));
}

/* Last, because it prints lines of its own. */
static void check_model(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const struct cn_cli_probe p = {.spec = cn_cli_value(args, "llm"),
                                   .key_file = cn_cli_value(args, "key-file"),
                                   .prices = cn_cli_value(args, "prices"),
                                   .yes = cn_cli_flag(args, "yes")};

    if (!p.spec)
        return;
    const cn_status st = cn_cli_probe(&p, &err);
    tell(st == CN_OK ? GOOD : BROKEN, "model", st == CN_OK ? p.spec : err.text);
}

static int run_doctor(const struct cn_cli_args *args)
{
    const char *flyvis = getenv("CAIRN_FLYVIS");

    check_trainer();
    check_supervisor();
    check_program("gnuplot", "gnuplot", "missing: figures are left out (package gnuplot-nox)");
    check_program("graphviz", "dot",
                  "missing: the tree's figure is left out (package graphviz)");
    check_disk();
    check_machine();
    tell(GOOD, "connectome",
         flyvis ? flyvis
                : "the embedded synthetic one; `cairn import flyvis` brings the published one");
    check_model(args);
    if (n_broken > 0)
        printf("%d broken\n", n_broken);
    return n_broken > 0 ? 1 : 0;
}

static const struct cn_cli_option doctor_options[] = {
    {"llm", "MODEL", "also a language model, as `cairn llm probe` does"},
    {"key-file", "FILE", "--llm: its key (else the environment)"},
    {"prices", "FILE", "--llm: prices of models"},
    {"yes", NULL, "--llm: it may cost money"},
};

const struct cn_cli_verb cn_verb_doctor = {
    "doctor",
    "[--llm MODEL [--yes]]",
    "check this machine: programs, disk, processors; a language model",
    "",
    "cairn doctor",
    doctor_options,
    4,
    0,
    0,
    false,
    run_doctor};
