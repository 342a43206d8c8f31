/* The schema of run.db: migrations and validity rules, as SQL text. */
#ifndef CN_LOGS_SCHEMA_H
#define CN_LOGS_SCHEMA_H

int cn_schema_version(void); /* the newest, = number of migrations */
/* Groups of SQL statements that lead from version to_version - 1 to it, NULL-terminated; NULL
 * for a number out of range. */
const char *const *cn_schema_migration(int to_version);

struct cn_schema_rule {
    const char *sql;   /* ids that break the rule */
    const char *words; /* with one %lld for the id */
};
const struct cn_schema_rule *cn_schema_rules(void); /* ends with sql == NULL */

#endif
