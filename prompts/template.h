/* The shipped templates as embed.cmake lays them down. */
#ifndef CN_PROMPTS_TEMPLATE_H
#define CN_PROMPTS_TEMPLATE_H

struct cn_prompt_file {
    const char *name;
    const unsigned char *text; /* terminated */
};
extern const struct cn_prompt_file cn_prompt_files[]; /* ended by a NULL name */

#endif
