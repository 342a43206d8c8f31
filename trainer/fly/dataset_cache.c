/* The cache: marks of use, and eviction of what was used longest ago.
 *
 * A race, told: A evicts set S while B opens it. Both need S's lock. If A is first, B finds no
 * header and makes S anew; if B is first, it leaves a locked file <key>.use.<pid>.<n> before it
 * gives the lock back, A then sees the mark and passes on. A mark whose process died is not
 * locked any more and is swept. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "trainer/fly/dataset_int.h"

struct entry {
    char key[CN_HASH_TEXT];
    int64_t bytes;
    struct timespec used; /* mtime of the header, or of the folder when there is none */
};

static bool is_key(const char *name)
{
    return strlen(name) == CN_HASH_TEXT - 1 &&
           strspn(name, "0123456789abcdef") == CN_HASH_TEXT - 1;
}

cn_status cn_fly_set_mark(const struct cn_fly_set *set, struct cn_fly_data *data,
                          struct cn_err *err)
{
    static int64_t count;
    char name[CN_HASH_TEXT + 64];
    cn_text_format(name, sizeof name, "%s.use.%ld.%lld", set->key, (long)getpid(),
                   (long long)__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED));
    char *path = cn_file_join(set->opts->cache_dir, name);
    if (!path)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    cn_status st = cn_file_lock(path, 0, &data->use_fd, err);
    if (st == CN_OK)
        data->use_path = path;
    else
        cn_free(path);
    return st;
}

/* True when a living process holds a mark on `key`; sweeps the marks of dead ones. */
static bool in_use(const char *cache_dir, const char *key, char **names, int n)
{
    bool used = false;
    for (int k = 0; k < n; k++) {
        if (strncmp(names[k], key, CN_HASH_TEXT - 1) != 0 ||
            !cn_text_starts(names[k] + CN_HASH_TEXT - 1, ".use."))
            continue;
        char *path = cn_file_join(cache_dir, names[k]);
        if (!path || cn_file_is_locked(path))
            used = true;
        else
            (void)unlink(path);
        cn_free(path);
    }
    return used;
}

static bool entry_read(const char *cache_dir, const char *name, struct entry *e)
{
    struct stat sb;
    bool ok = false;
    char *dir = cn_file_join(cache_dir, name);
    char *header = dir ? cn_file_join(dir, CN_FLY_SET_HEADER) : NULL;
    if (header && cn_file_is_dir(dir)) {
        cn_text_copy(e->key, sizeof e->key, name);
        e->bytes = cn_file_tree_size(dir);
        ok = stat(header, &sb) == 0 || stat(dir, &sb) == 0;
        e->used = sb.st_mtim;
    }
    cn_free(header);
    cn_free(dir);
    return ok;
}

static int oldest_first(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->used.tv_sec != b->used.tv_sec)
        return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    if (a->used.tv_nsec != b->used.tv_nsec)
        return a->used.tv_nsec < b->used.tv_nsec ? -1 : 1;
    return strcmp(a->key, b->key);
}

/* Remove one set unless somebody has it; the header goes first, so that a half-removed set is
 * never believed. */
static bool evict(const struct cn_fly_set *set, const struct entry *e, char **names, int n)
{
    char lock_name[CN_HASH_TEXT + 8];
    int fd = -1;
    bool gone = false;
    cn_text_format(lock_name, sizeof lock_name, "%s.lock", e->key);
    char *lock = cn_file_join(set->opts->cache_dir, lock_name);
    char *dir = cn_file_join(set->opts->cache_dir, e->key);
    char *header = dir ? cn_file_join(dir, CN_FLY_SET_HEADER) : NULL;
    if (lock && header && cn_file_lock(lock, 0, &fd, NULL) == CN_OK) {
        if (!in_use(set->opts->cache_dir, e->key, names, n)) {
            (void)unlink(header);
            gone = cn_file_remove_tree(dir, NULL) == CN_OK;
        }
        cn_file_unlock(fd);
    }
    cn_free(header);
    cn_free(dir);
    cn_free(lock);
    return gone;
}

/* Entries of the cache but this set; returns their number and adds up their bytes. */
static int list_entries(const struct cn_fly_set *set, char **names, int n,
                        struct entry *entries, int64_t *out_total)
{
    int m = 0;
    *out_total = 0;
    for (int k = 0; k < n; k++) {
        if (!is_key(names[k]) || strcmp(names[k], set->key) == 0)
            continue;
        if (entry_read(set->opts->cache_dir, names[k], &entries[m]))
            *out_total += entries[m++].bytes;
    }
    qsort(entries, (size_t)m, sizeof *entries, oldest_first);
    return m;
}

cn_status cn_fly_set_make_room(const struct cn_fly_set *set, int64_t need, struct cn_err *err)
{
    int64_t budget = set->opts->budget_bytes, total = 0;
    char **names = NULL;
    int n = 0;
    if (budget == 0)
        return CN_OK;
    if (need > budget)
        return cn_err_set(err, CN_ENOSPC,
                          "the data set needs %lld bytes, the cache budget of %s is %lld: "
                          "fewer frames or a larger budget",
                          (long long)need, set->opts->cache_dir, (long long)budget);
    cn_status st = cn_file_list(set->opts->cache_dir, &names, &n, err);
    if (st != CN_OK)
        return st;
    struct entry *entries = cn_alloc((size_t)n + 1, sizeof *entries);
    if (entries) {
        int m = list_entries(set, names, n, entries, &total);
        for (int k = 0; k < m && total + need > budget; k++) {
            if (!evict(set, &entries[k], names, n))
                continue;
            total -= entries[k].bytes;
            cn_fly_set_say(
                set, "data set %s evicted (%lld bytes) to keep the cache within its budget",
                entries[k].key, (long long)entries[k].bytes);
        }
        if (total + need > budget)
            cn_fly_set_say(
                set, "the cache goes over its budget of %lld bytes: every other set is in use",
                (long long)budget);
    } else {
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory to list it", set->opts->cache_dir);
    }
    cn_free(entries);
    cn_file_list_free(names, n);
    return st;
}
