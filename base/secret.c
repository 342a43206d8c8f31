/* See secret.h. */
#include "base/secret.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/text.h"

extern char **environ;

static bool looks_secret(const char *name)
{
    static const char *const ends[] = {"_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD",
                                       "_ACCESS_KEY"};
    static const char *const starts[] = {"ANTHROPIC_", "OPENAI_"};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (cn_text_ends(name, ends[i]))
            return true;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (cn_text_starts(name, starts[i]))
            return true;
    return false;
}

void cn_secret_names_free(char **names)
{
    for (char **p = names; p && *p; p++)
        cn_free(*p);
    cn_free(names);
}

char **cn_secret_names(void)
{
    size_t n = 0, kept = 0;
    char **names;

    while (environ && environ[n])
        n++;
    names = cn_alloc(n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++) {
        char *name = cn_strndup(environ[i], strcspn(environ[i], "="));

        if (!name) {
            cn_secret_names_free(names);
            return NULL;
        }
        if (looks_secret(name))
            names[kept++] = name;
        else
            cn_free(name);
    }
    return names;
}

void cn_secret_hide(char *text, size_t n, const char *key)
{
    size_t len = key ? strlen(key) : 0;
    char *at;

    while (len > 0 && n >= len && (at = memmem(text, n, key, len)) != NULL) {
        memset(at, '*', len);
        n -= (size_t)(at - text) + len;
        text = at + len;
    }
}
