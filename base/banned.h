/* Functions that this project does not use; the replacement stands in the same line. Include
 * last. */
#ifndef CN_BASE_BANNED_H
#define CN_BASE_BANNED_H

#define strcpy    use_cn_text_copy
#define strcat    use_cn_buf_adds
#define sprintf   use_cn_text_format
#define vsprintf  use_cn_buf_printf
#define strtok    use_strsep_or_spans
#define atoi      use_cn_text_parse_int64
#define atof      use_cn_text_parse_double
#define gmtime    use_cn_clock_iso
#define localtime use_cn_clock_iso

#endif
