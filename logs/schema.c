/* The tables of run.db, as numbered migrations. logs/FORMAT.md tells what they mean. A
 * migration that was released never changes; a new need is a new entry at the end. */
#include "logs/schema.h"

#include <stddef.h>

#include "base/banned.h"

static const char *const v1[] = {
    "CREATE TABLE run ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, study TEXT NOT NULL,"
    " created TEXT NOT NULL, reward TEXT NOT NULL, lower_is_better INTEGER NOT NULL,"
    " converged REAL, failed REAL, n_iter_block INTEGER NOT NULL, n_parallel INTEGER NOT NULL,"
    " proposer TEXT NOT NULL, score_kind TEXT NOT NULL, ucb_c REAL, c_scale TEXT NOT NULL,"
    " log_keys TEXT NOT NULL) STRICT;",

    "CREATE TABLE lease ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL, fence INTEGER NOT NULL,"
    " heartbeat_ms INTEGER NOT NULL, ttl_ms INTEGER NOT NULL) STRICT;"
    "INSERT INTO lease VALUES (1, '', 0, 0, 0);",

    "CREATE TABLE block ("
    " number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " closed INTEGER NOT NULL DEFAULT 0, edit_note TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE TABLE block_regime ("
    " block INTEGER NOT NULL REFERENCES block, seq INTEGER NOT NULL, path TEXT NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY (block, seq)) STRICT, WITHOUT ROWID;",

    "CREATE TABLE node ("
    " id INTEGER PRIMARY KEY, parent INTEGER REFERENCES node, block INTEGER REFERENCES block,"
    " config TEXT NOT NULL, config_hash TEXT NOT NULL, strategy TEXT NOT NULL,"
    " proposer TEXT NOT NULL, CHECK (parent IS NULL OR parent < id)) STRICT;"
    "CREATE TABLE mutation ("
    " node INTEGER NOT NULL REFERENCES node, seq INTEGER NOT NULL, path TEXT NOT NULL,"
    " old_text TEXT NOT NULL, new_text TEXT NOT NULL,"
    " PRIMARY KEY (node, seq)) STRICT, WITHOUT ROWID;",

    "CREATE TABLE iteration ("
    " id INTEGER PRIMARY KEY, node INTEGER NOT NULL REFERENCES node,"
    " block INTEGER REFERENCES block, slot INTEGER NOT NULL, replicate INTEGER NOT NULL,"
    " confirmation INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN"
    " ('planned', 'submitted', 'running', 'measured', 'analysed', 'committed')),"
    " attempt INTEGER NOT NULL DEFAULT 0, sim_seed INTEGER NOT NULL, train_seed INTEGER NOT "
    "NULL,"
    " seed_mode TEXT NOT NULL, strategy TEXT NOT NULL, parent_rule TEXT NOT NULL,"
    " scored_value REAL, hypothesis TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '',"
    " class TEXT NOT NULL DEFAULT '', reward REAL, message TEXT NOT NULL DEFAULT '',"
    " trajectory TEXT NOT NULL DEFAULT '', observation TEXT NOT NULL DEFAULT '',"
    " activity TEXT NOT NULL DEFAULT '', embedding TEXT NOT NULL DEFAULT '',"
    " dir TEXT NOT NULL DEFAULT '', planned_ms INTEGER NOT NULL DEFAULT 0,"
    " submitted_ms INTEGER NOT NULL DEFAULT 0, finished_ms INTEGER NOT NULL DEFAULT 0,"
    " CHECK ((outcome = 'ok') = (reward IS NOT NULL)),"
    " CHECK ((outcome <> '') = (state IN ('measured', 'analysed', 'committed')))) STRICT;"
    "CREATE INDEX iteration_block ON iteration (block);"
    "CREATE TABLE attempt ("
    " iteration INTEGER NOT NULL REFERENCES iteration, attempt INTEGER NOT NULL,"
    " token TEXT NOT NULL UNIQUE, job TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT "
    "'',"
    " reason TEXT NOT NULL DEFAULT '', submitted_ms INTEGER NOT NULL,"
    " running_ms INTEGER NOT NULL DEFAULT 0, finished_ms INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (iteration, attempt)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE metric ("
    " iteration INTEGER NOT NULL REFERENCES iteration, seq INTEGER NOT NULL,"
    " name TEXT NOT NULL, value REAL, PRIMARY KEY (iteration, seq)) STRICT, WITHOUT ROWID;",

    "CREATE TABLE step ("
    " what TEXT NOT NULL, id INTEGER NOT NULL, attempt INTEGER NOT NULL, digest TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL, PRIMARY KEY (what, id, attempt)) STRICT, WITHOUT ROWID;",

    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, text TEXT NOT NULL,"
    " sent_ms INTEGER NOT NULL, acked_ms INTEGER NOT NULL DEFAULT 0,"
    " acked_iteration INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, iteration INTEGER NOT NULL,"
    " kind TEXT NOT NULL, text TEXT NOT NULL) STRICT;"
    "CREATE TABLE text ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, version INTEGER NOT NULL,"
    " author TEXT NOT NULL, reason TEXT NOT NULL, hash TEXT NOT NULL, words TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL, UNIQUE (kind, version)) STRICT;"
    "CREATE TABLE projection (name TEXT PRIMARY KEY, old TEXT NOT NULL,"
    " next TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE fact (key TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    NULL,
};

/* Guardrails and the chosen log fields; how long a training took; which block a text was changed
 * in. */
static const char *const v2[] = {
    "ALTER TABLE run ADD COLUMN guardrails TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN log_fields TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE iteration ADD COLUMN seconds REAL;"
    "ALTER TABLE text ADD COLUMN block INTEGER NOT NULL DEFAULT 0;",
    NULL,
};

/* Long runs: rows that need not be read to be spoken of. A node's config may be kept as the lines
 * in which it differs from another node's (base; store_config.c); rollups of closed blocks
 * (store_rollup.c); sealed parts of the log; how far a projection's stable part goes; indexes for
 * what is asked of a part. */
static const char *const v3[] = {
    "ALTER TABLE node ADD COLUMN base INTEGER REFERENCES node;"
    "CREATE INDEX node_full ON node (id) WHERE base IS NULL;"
    "CREATE INDEX node_hash ON node (config_hash);"
    "CREATE INDEX node_parent ON node (parent);"
    "CREATE INDEX node_block ON node (block);"
    "CREATE INDEX iteration_node ON iteration (node);"
    "CREATE INDEX iteration_unfinished ON iteration (id) WHERE state <> 'committed';"
    "CREATE INDEX iteration_confirmation ON iteration (id) WHERE confirmation;"
    "CREATE INDEX event_iteration ON event (iteration);"
    "CREATE INDEX message_pending ON message (id) WHERE acked_ms = 0;",

    "CREATE TABLE block_roll ("
    " block INTEGER PRIMARY KEY REFERENCES block, n INTEGER NOT NULL, ok INTEGER NOT NULL,"
    " converged INTEGER NOT NULL, failed INTEGER NOT NULL, best INTEGER REFERENCES node,"
    " best_n INTEGER NOT NULL, best_mean REAL, best_std REAL, best_min REAL, best_max REAL,"
    " config_n INTEGER NOT NULL, config_mean REAL, config_std REAL, config_min REAL,"
    " config_max REAL, lo REAL, hi REAL, stability INTEGER NOT NULL, few INTEGER NOT NULL,"
    " worst REAL, minutes REAL NOT NULL) STRICT;"
    "CREATE TABLE volume ("
    " number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;"
    "ALTER TABLE projection ADD COLUMN form INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE projection ADD COLUMN stable INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE projection ADD COLUMN upto INTEGER NOT NULL DEFAULT 0;",
    NULL,
};

/* Exchanges with a language model (store_exchange.c). */
static const char *const v4[] = {
    "CREATE TABLE exchange ("
    " id INTEGER PRIMARY KEY, iteration INTEGER NOT NULL, block INTEGER NOT NULL,"
    " phase TEXT NOT NULL, purpose TEXT NOT NULL, model TEXT NOT NULL, dialect TEXT NOT NULL,"
    " sections TEXT NOT NULL, replayed INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',"
    " why TEXT NOT NULL DEFAULT '', requests INTEGER NOT NULL DEFAULT 0,"
    " lost INTEGER NOT NULL DEFAULT 0, unpriced INTEGER NOT NULL DEFAULT 0,"
    " input INTEGER NOT NULL DEFAULT 0, cache_read INTEGER NOT NULL DEFAULT 0,"
    " cache_write INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,"
    " usd REAL NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,"
    " CHECK ((outcome <> '') = (ended_ms <> 0))) STRICT;"
    "CREATE INDEX exchange_purpose ON exchange (purpose);"
    "CREATE INDEX exchange_block ON exchange (block);"
    "CREATE INDEX exchange_open ON exchange (id) WHERE ended_ms = 0;",

    "CREATE TABLE exchange_body ("
    " id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL,"
    " base INTEGER REFERENCES exchange_body, depth INTEGER NOT NULL,"
    " words BLOB NOT NULL, CHECK (base IS NULL OR base < id)) STRICT;"
    "CREATE TABLE exchange_attempt ("
    " exchange INTEGER NOT NULL REFERENCES exchange, number INTEGER NOT NULL,"
    " turn INTEGER NOT NULL, try INTEGER NOT NULL, body INTEGER NOT NULL REFERENCES"
    " exchange_body, worst_usd REAL, worst_tokens INTEGER NOT NULL, begun_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0,"
    " trouble TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',"
    " request_id TEXT NOT NULL DEFAULT '', reply BLOB, reply_bytes INTEGER NOT NULL DEFAULT 0,"
    " known INTEGER NOT NULL DEFAULT 0, input INTEGER NOT NULL DEFAULT 0,"
    " cache_read INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0,"
    " output INTEGER NOT NULL DEFAULT 0, usd REAL, seconds REAL,"
    " PRIMARY KEY (exchange, number)) STRICT;"
    "CREATE INDEX exchange_attempt_open ON exchange_attempt (exchange) WHERE ended_ms = 0;",
    NULL,
};

/* What a proposer expected of a training, before it ran; what a model answered to a person. */
static const char *const v5[] = {
    "ALTER TABLE iteration ADD COLUMN expected REAL;"
    "ALTER TABLE iteration ADD COLUMN probability REAL;"
    "ALTER TABLE iteration ADD COLUMN prediction TEXT;" /* NULL: nothing was predicted */
    "ALTER TABLE message ADD COLUMN answer TEXT NOT NULL DEFAULT '';",
    NULL,
};

static const char *const *const migrations[] = {v1, v2, v3, v4, v5};

int cn_schema_version(void)
{
    return (int)(sizeof(migrations) / sizeof(migrations[0]));
}

const char *const *cn_schema_migration(int to_version)
{
    return to_version >= 1 && to_version <= cn_schema_version() ? migrations[to_version - 1]
                                                                : NULL;
}

/* Each query returns the ids that break the rule beside it. */
static const struct cn_schema_rule rules[] = {
    {"SELECT id FROM node WHERE NOT EXISTS (SELECT 1 FROM iteration i WHERE i.id = node.id AND"
     " i.node = node.id)",
     "node %lld was not trained first by the iteration of its id"},
    {"SELECT id FROM iteration WHERE node > id", "iteration %lld trains a later node"},
    {"SELECT id FROM iteration WHERE state IN ('submitted', 'running') AND NOT EXISTS (SELECT 1"
     " FROM attempt a WHERE a.iteration = id AND a.attempt = iteration.attempt)",
     "iteration %lld is under way without an attempt"},
    {"SELECT i.id FROM iteration i JOIN block b ON b.number = i.block WHERE b.closed AND"
     " i.state <> 'committed'",
     "iteration %lld is not committed but its block is closed"},
    {"SELECT i.id FROM iteration i JOIN block b ON b.number = i.block WHERE NOT i.confirmation"
     " AND (i.id < b.first OR i.id > b.last)",
     "iteration %lld lies outside its block"},
    {"SELECT number FROM block WHERE NOT closed AND number < (SELECT max(number) FROM block)",
     "block %lld is open but not the last"},
    {"SELECT number FROM block WHERE closed <> EXISTS (SELECT 1 FROM block_roll WHERE block ="
     " number)",
     "block %lld: closed without a rollup, or open with one"},
    {"SELECT n.id FROM node n WHERE n.base IS NOT NULL AND NOT EXISTS (SELECT 1 FROM node f "
     "WHERE"
     " f.id = n.base AND f.base IS NULL AND f.id < n.id)",
     "node %lld: its config leans on a node without a whole one"},
    {"SELECT number FROM volume v WHERE first > last OR first <> coalesce((SELECT last + 1 FROM"
     " volume WHERE number = v.number - 1), first)",
     "volume %lld of the log does not follow the one before"},
    {"SELECT exchange FROM exchange_attempt a JOIN exchange e ON e.id = a.exchange WHERE"
     " a.ended_ms = 0 AND e.ended_ms <> 0",
     "exchange %lld has an end, but one of its requests has none"},
    {"SELECT id FROM exchange e WHERE requests <> (SELECT count(*) FROM exchange_attempt a"
     " WHERE a.exchange = e.id AND a.ended_ms <> 0) OR input + output <> (SELECT"
     " coalesce(sum(input + output), 0) FROM exchange_attempt a WHERE a.exchange = e.id)",
     "exchange %lld: its sums are not those of its requests"},
    {"SELECT b.id FROM exchange_body b LEFT JOIN exchange_body f ON f.id = b.base WHERE"
     " b.depth <> coalesce(f.depth + 1, 0)",
     "request text %lld leans on a wrong one"},
    {"SELECT 1 WHERE (SELECT count(*) FROM run) <> 1", "the run's settings are missing (%lld)"},
    {NULL, NULL},
};

const struct cn_schema_rule *cn_schema_rules(void)
{
    return rules;
}
