/* The shipped templates by name. See fill.h. */
#include "prompts/template.h"

#include <stddef.h>
#include <string.h>

#include "prompts/fill.h"

enum { NAMES = 64 };

const char *cn_prompt_template(const char *name)
{
    for (int i = 0; cn_prompt_files[i].name; i++)
        if (strcmp(cn_prompt_files[i].name, name) == 0)
            return (const char *)cn_prompt_files[i].text;
    return NULL;
}

const char *const *cn_prompt_names(void)
{
    static const char *names[NAMES + 1];

    for (int i = 0; i < NAMES && cn_prompt_files[i].name; i++)
        names[i] = cn_prompt_files[i].name;
    return names;
}
