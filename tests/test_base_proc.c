/* Children: start, environment, descriptors, capture, timeouts. The programs are those of any
 * Linux: sh, cat. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/proc.h"

static struct cn_buf out, complaint;
static struct cn_proc_exit end;
static struct cn_err err;

/* Run `sh -c script` with the options given; captured in the variables above. */
static cn_status sh(struct cn_proc_opts *o, const char *script, const char *input, size_t n,
                    int64_t timeout_ms)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    cn_buf_init(&out, CN_CAP_CAPTURE);
    cn_buf_init(&complaint, CN_CAP_CAPTURE);
    o->argv = argv;
    return cn_proc_run(o, input, n, timeout_ms, &out, &complaint, &end, &err);
}

static void clear(void)
{
    cn_buf_clear(&out);
    cn_buf_clear(&complaint);
}

TestSuite(base_proc, .fini = clear);

Test(base_proc, output_error_output_and_exit_code_come_back)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cr_assert_eq(sh(&o, "echo hello; echo oops >&2; exit 7", NULL, 0, -1), CN_OK);
    cr_assert_str_eq(cn_buf_str(&out), "hello\n");
    cr_assert_str_eq(cn_buf_str(&complaint), "oops\n");
    cr_assert(end.exited);
    cr_assert_eq(end.code, 7);
}

Test(base_proc, a_signal_is_not_an_exit_code)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cr_assert_eq(sh(&o, "kill -9 $$", NULL, 0, -1), CN_OK);
    cr_assert_not(end.exited);
    cr_assert_eq(end.signal, SIGKILL);
}

Test(base_proc, two_megabytes_through_cat_do_not_deadlock)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    size_t n = (size_t)2 << 20;
    char *input = cn_alloc(n, 1);

    memset(input, 'x', n);
    cr_assert_eq(sh(&o, "cat", input, n, 60000), CN_OK);
    cr_assert_eq(out.len, n);
    cr_assert_eq(memcmp(out.data, input, n), 0);
    cn_free(input);
}

Test(base_proc, both_outputs_are_drained_while_input_flows)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    size_t n = (size_t)1 << 20;
    char *input = cn_alloc(n, 1);

    memset(input, 'y', n);
    cr_assert_eq(sh(&o, "tee /dev/stderr", input, n, 60000), CN_OK);
    cr_assert_eq(out.len, n);
    cr_assert_eq(complaint.len, n);
    cn_free(input);
}

Test(base_proc, a_child_that_does_not_read_its_input_is_no_trouble)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    size_t n = (size_t)1 << 20;
    char *input = cn_alloc(n, 1);

    cr_assert_eq(sh(&o, "exec 0<&-; echo done", input, n, 60000), CN_OK);
    cr_assert_str_eq(cn_buf_str(&out), "done\n");
    cn_free(input);
}

Test(base_proc, without_input_stdin_is_empty)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cr_assert_eq(sh(&o, "cat; echo end", NULL, 0, 60000), CN_OK);
    cr_assert_str_eq(cn_buf_str(&out), "end\n");
}

Test(base_proc, a_timeout_kills_the_whole_group)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    int64_t pid;

    cr_assert_eq(sh(&o, "sleep 1000 & echo $!; wait", NULL, 0, 300), CN_ETIMEOUT);
    cr_assert(strstr(err.text, "sh: still running after 300 ms"), "%s", err.text);
    pid = strtoll(cn_buf_str(&out), NULL, 10);
    cr_assert_gt(pid, 1);
    for (int i = 0; i < 500 && kill((pid_t)pid, 0) == 0;
         i++) { /* gone, or a zombie that init still has to reap */
        char path[64], state[512] = "";
        FILE *f;

        (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
        f = fopen(path, "r");
        if (f) {
            (void)!fread(state, 1, sizeof state - 1, f);
            (void)fclose(f);
        }
        if (strstr(state, ") Z"))
            return;
        (void)usleep(10000);
    }
    cr_assert_neq(kill((pid_t)pid, 0), 0, "the grandchild %lld still lives", (long long)pid);
}

Test(base_proc, a_grandchild_that_keeps_the_pipe_does_not_keep_us, .timeout = 60)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cr_assert_eq(sh(&o, "(sleep 300 &) ; echo quick", NULL, 0, -1), CN_OK);
    cr_assert_str_eq(cn_buf_str(&out), "quick\n");
}

Test(base_proc, too_much_output_is_an_error_and_names_the_program)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cr_assert_eq(sh(&o, "exec cat /dev/zero", NULL, 0, 60000), CN_ECAP);
    cr_assert(strstr(err.text, "sh: more than 16777216 bytes on its output"), "%s", err.text);
}

Test(base_proc, a_missing_program_is_named)
{
    const char *argv[] = {"no-such-program-here", NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    pid_t pid;

    o.argv = argv;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_ENOTFOUND);
    cr_assert_str_eq(err.text, "no-such-program-here: no such program on PATH");
    argv[0] = "/nowhere/tool";
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_ENOTFOUND);
    cr_assert_str_eq(err.text, "/nowhere/tool: no such program");
    cr_assert_eq(pid, -1);
}

Test(base_proc, a_missing_folder_is_an_error_of_the_parent)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    o.cwd = "/nowhere/at/all";
    cr_assert_eq(sh(&o, "true", NULL, 0, -1), CN_ENOTFOUND);
    cr_assert(strstr(err.text, "/nowhere/at/all"), "%s", err.text);
}

Test(base_proc, a_file_that_the_kernel_cannot_run_is_an_error_of_the_parent)
{
    char path[] = "/tmp/cairn_proc_XXXXXX";
    int fd = mkstemp(path);
    const char *argv[] = {path, NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    pid_t pid;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "#!/nowhere/interpreter\n", 23), 23);
    cr_assert_eq(fchmod(fd, 0700), 0);
    (void)close(fd);
    o.argv = argv;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_ENOTFOUND);
    cr_assert(strstr(err.text, path), "%s", err.text);
    (void)unlink(path);
}

Test(base_proc, the_environment_is_added_replaced_and_removed)
{
    const char *const add[] = {"CAIRN_A=one", "CAIRN_B=", NULL}, *const drop[] = {
                                                                     "CAIRN_SECRET", NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cr_assert_eq(setenv("CAIRN_A", "old", 1), 0);
    cr_assert_eq(setenv("CAIRN_SECRET", "key", 1), 0);
    cr_assert_eq(setenv("CAIRN_SECRET2", "stays", 1), 0);
    o.env = add;
    o.env_remove = drop;
    cr_assert_eq(
        sh(&o, "echo \"$CAIRN_A,$CAIRN_B,${CAIRN_SECRET-none},$CAIRN_SECRET2\"", NULL, 0, -1),
        CN_OK);
    cr_assert_str_eq(cn_buf_str(&out), "one,,none,stays\n");
}

Test(base_proc, the_child_starts_in_its_folder)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    o.cwd = "/";
    cr_assert_eq(sh(&o, "pwd", NULL, 0, -1), CN_OK);
    cr_assert_str_eq(cn_buf_str(&out), "/\n");
}

/* Our descriptors stay ours: the child sees 0, 1, 2, keep_fd, and the one ls opens for the
 * folder. */
Test(base_proc, only_the_kept_descriptor_is_inherited)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    int leak = open("/dev/null", O_RDONLY), kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char line[32];

    cr_assert_geq(leak, 3);
    o.keep_fd = fcntl(kept, F_DUPFD_CLOEXEC, 77);
    cr_assert_eq(o.keep_fd, 77);
    cr_assert_eq(fcntl(leak, F_DUPFD, 50), 50);
    cr_assert_eq(sh(&o, "for f in /proc/$$/fd/*; do echo ${f##*/}; done", NULL, 0, -1), CN_OK);
    cr_assert(strstr(cn_buf_str(&out), "77\n"), "%s", cn_buf_str(&out));
    (void)snprintf(line, sizeof line, "\n%d\n", leak);
    cr_assert_not(strstr(cn_buf_str(&out), line), "%s", cn_buf_str(&out));
    cr_assert_not(strstr(cn_buf_str(&out), "\n50\n"), "%s", cn_buf_str(&out));
}

/* Without a shell between: it would clear the mask itself. */
Test(base_proc, ignored_and_blocked_signals_are_default_in_the_child)
{
    const char *argv[] = {"grep", "-E", "Sig(Ign|Blk)", "/proc/self/status", NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    sigset_t usr1;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&usr1);
    (void)sigaddset(&usr1, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &usr1, NULL);
    cn_buf_init(&out, CN_CAP_CAPTURE);
    o.argv = argv;
    cr_assert_eq(cn_proc_run(&o, NULL, 0, -1, &out, NULL, &end, &err), CN_OK);
    cr_assert_str_eq(cn_buf_str(&out),
                     "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

Test(base_proc, a_new_session_has_the_child_as_leader)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    o.new_session = true;
    cr_assert_eq(sh(&o, "cut -d' ' -f1,5,6 /proc/$$/stat; echo $$", NULL, 0, -1), CN_OK);
    {
        long pid = 0, group = 0, session = 0;

        cr_assert_eq(sscanf(cn_buf_str(&out), "%ld %ld %ld", &pid, &group, &session), 3);
        cr_assert_eq(pid, group);
        cr_assert_eq(pid, session);
    }
}

Test(base_proc, waiting_times_out_and_leaves_the_child_running)
{
    const char *argv[] = {"sleep", "1000", NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    pid_t pid;

    o.argv = argv;
    o.new_session = true;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_OK);
    cr_assert_eq(cn_proc_wait(pid, 20, &end, &err), CN_ETIMEOUT);
    cr_assert_eq(kill(pid, 0), 0);
    cn_proc_kill_group(pid, 5000);
    cr_assert_neq(kill(pid, 0), 0);
    cr_assert_neq(cn_proc_wait(pid, 0, &end, &err), CN_OK);
}

Test(base_proc, a_child_that_ignores_sigterm_is_killed)
{
    const char *argv[] = {"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done",
                          NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    int ends[2];
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    o.argv = argv;
    o.new_session = true;
    o.stdout_fd = ends[1];
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_OK);
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    cn_proc_kill_group(pid, 50);
    cr_assert_neq(kill(pid, 0), 0);
}

Test(base_proc, which_finds_programs_and_nothing_else)
{
    char *sh_path = cn_proc_which("sh"), *self = cn_proc_self_dir();

    cr_assert(sh_path && sh_path[0] == '/');
    cr_assert_null(cn_proc_which("no-such-program-here"));
    cr_assert_null(cn_proc_which("/etc/passwd"));
    cr_assert_null(cn_proc_which("/tmp"));
    cr_assert_null(cn_proc_which(""));
    cr_assert(self && self[0] == '/' && cn_file_is_dir(self));
    cn_free(sh_path);
    cn_free(self);
}
