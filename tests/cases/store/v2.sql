-- run.db as a cairn with store version 2 left it: tests/support/logs_sample.c driven to its end,
-- then SQLite's dump. tests/test_logs_window.c loads it.
PRAGMA application_id = 1128352082;
PRAGMA user_version = 2;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE attempt ( iteration INTEGER NOT NULL REFERENCES iteration, attempt INTEGER NOT NULL, token TEXT NOT NULL UNIQUE, job TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', submitted_ms INTEGER NOT NULL, running_ms INTEGER NOT NULL DEFAULT 0, finished_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (iteration, attempt)) STRICT, WITHOUT ROWID;
INSERT INTO "attempt" VALUES(1,1,'sample-1-1','local:7','ok','',1795643861657,1795643861769,1795643861954);
INSERT INTO "attempt" VALUES(2,1,'sample-2-1','','ok','',1795643861679,1795643861741,1795643861805);
INSERT INTO "attempt" VALUES(3,1,'sample-3-1','','infra','the node was drained',1795643861926,0,1795643862102);
INSERT INTO "attempt" VALUES(3,2,'sample-3-2','','diverged','loss is nan at step 40',1795643862138,1795643862174,1795643862230);
INSERT INTO "attempt" VALUES(4,1,'sample-4-1','','ok','',1795643862338,1795643862377,1795643862410);
INSERT INTO "attempt" VALUES(5,1,'sample-5-1','','ok','',1795643862638,1795643862673,1795643862714);
INSERT INTO "attempt" VALUES(6,1,'sample-6-1','','ok','',1795643862822,1795643862845,1795643862878);
INSERT INTO "attempt" VALUES(7,1,'sample-7-1','','ok','',1795643863033,1795643863065,1795643863094);
INSERT INTO "attempt" VALUES(8,1,'sample-8-1','','ok','',1795643863208,1795643863240,1795643863274);
INSERT INTO "attempt" VALUES(9,1,'sample-9-1','','ok','',1795643863386,1795643863413,1795643863434);
INSERT INTO "attempt" VALUES(10,1,'sample-10-1','','ok','',1795643863538,1795643863561,1795643863590);
CREATE TABLE block ( number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, closed INTEGER NOT NULL DEFAULT 0, edit_note TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "block" VALUES(1,1,4,1,'no changes needed: branching rate 25 %');
INSERT INTO "block" VALUES(2,5,6,1,'no changes needed: branching rate 25 %');
CREATE TABLE block_regime ( block INTEGER NOT NULL REFERENCES block, seq INTEGER NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (block, seq)) STRICT, WITHOUT ROWID;
INSERT INTO "block_regime" VALUES(1,0,'simulation.n_frames','64000');
INSERT INTO "block_regime" VALUES(2,0,'simulation.n_frames','32000');
CREATE TABLE event ( id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, iteration INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL) STRICT;
INSERT INTO "event" VALUES(1,1795643862102,3,'retry','attempt 1: the node was drained');
INSERT INTO "event" VALUES(2,1795643862197,3,'note','watched');
CREATE TABLE fact (key TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE iteration ( id INTEGER PRIMARY KEY, node INTEGER NOT NULL REFERENCES node, block INTEGER REFERENCES block, slot INTEGER NOT NULL, replicate INTEGER NOT NULL, confirmation INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'submitted', 'running', 'measured', 'analysed', 'committed')), attempt INTEGER NOT NULL DEFAULT 0, sim_seed INTEGER NOT NULL, train_seed INTEGER NOT NULL, seed_mode TEXT NOT NULL, strategy TEXT NOT NULL, parent_rule TEXT NOT NULL, scored_value REAL, hypothesis TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '', class TEXT NOT NULL DEFAULT '', reward REAL, message TEXT NOT NULL DEFAULT '', trajectory TEXT NOT NULL DEFAULT '', observation TEXT NOT NULL DEFAULT '', activity TEXT NOT NULL DEFAULT '', embedding TEXT NOT NULL DEFAULT '', dir TEXT NOT NULL DEFAULT '', planned_ms INTEGER NOT NULL DEFAULT 0, submitted_ms INTEGER NOT NULL DEFAULT 0, finished_ms INTEGER NOT NULL DEFAULT 0, seconds REAL, CHECK ((outcome = 'ok') = (reward IS NOT NULL)), CHECK ((outcome <> '') = (state IN ('measured', 'analysed', 'committed')))) STRICT;
INSERT INTO "iteration" VALUES(1,1,1,0,0,0,'committed',1,1000,1500,'suggested-default','root','the first iteration is the base config',NULL,'','ok','partial',0.71,'','','baseline','smooth','','iter_000001',1795643861594,1795643861657,1795643861954,NULL);
INSERT INTO "iteration" VALUES(2,2,1,1,0,0,'committed',1,2001,2501,'suggested-default','exploit','Default: highest UCB = node 1',1.5,'','ok','converged',0.934,'','conn peak=0.95 final=0.934 trend=[stable]','better
## Iter 9: converged
Node: id=9, parent=1
Metrics: connectivity_R2=0.999','','','iter_000002',1795643861622,1795643861679,1795643861805,NULL);
INSERT INTO "iteration" VALUES(3,3,1,0,0,0,'committed',2,3000,3500,'suggested-default','failure-probe','3 consecutive successes',1.5,'','diverged','',NULL,'loss is nan at step 40','','too large a step','','','iter_000003',1795643861890,1795643862138,1795643862230,NULL);
INSERT INTO "iteration" VALUES(4,2,1,1,1,0,'committed',1,4001,4501,'suggested-default','robustness-test','Found good config',1.5,'','ok','converged',0.926,'','','holds','','','iter_000004',1795643862322,1795643862338,1795643862410,NULL);
INSERT INTO "iteration" VALUES(5,5,2,0,0,0,'committed',1,5000,5500,'suggested-default','root','best of the last block under the new regime',NULL,'','ok','failed',-0.12,'','','breaks','','','iter_000005',1795643862606,1795643862638,1795643862714,NULL);
INSERT INTO "iteration" VALUES(6,6,2,1,0,0,'committed',1,6001,6501,'suggested-default','exploit','Default',1.5,'','ok','failed',0.00031,'','','# Not a heading','','','iter_000006',1795643862806,1795643862822,1795643862878,NULL);
INSERT INTO "iteration" VALUES(7,1,NULL,0,0,1,'committed',1,7000,7500,'suggested-default','confirm','',NULL,'','ok','partial',0.7,'','','','','','iter_000007',1795643863006,1795643863033,1795643863094,NULL);
INSERT INTO "iteration" VALUES(8,1,NULL,1,0,1,'committed',1,8001,8501,'suggested-default','confirm','',NULL,'','ok','partial',0.72,'','','','','','iter_000008',1795643863179,1795643863208,1795643863274,NULL);
INSERT INTO "iteration" VALUES(9,2,NULL,0,0,1,'committed',1,9000,9500,'suggested-default','confirm','',1.5,'','ok','converged',0.93,'','','','','','iter_000009',1795643863358,1795643863386,1795643863434,NULL);
INSERT INTO "iteration" VALUES(10,2,NULL,1,0,1,'committed',1,10001,10501,'suggested-default','confirm','',1.5,'','ok','converged',0.92,'','','','','','iter_000010',1795643863509,1795643863538,1795643863590,NULL);
CREATE TABLE lease ( one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL, fence INTEGER NOT NULL, heartbeat_ms INTEGER NOT NULL, ttl_ms INTEGER NOT NULL) STRICT;
INSERT INTO "lease" VALUES(1,'',1,1795643861529,60000);
CREATE TABLE message ( id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, text TEXT NOT NULL, sent_ms INTEGER NOT NULL, acked_ms INTEGER NOT NULL DEFAULT 0, acked_iteration INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "message" VALUES(1,'key','try a smaller step, lr=3e-4',1795643861982,1795643862009,1);
CREATE TABLE metric ( iteration INTEGER NOT NULL REFERENCES iteration, seq INTEGER NOT NULL, name TEXT NOT NULL, value REAL, PRIMARY KEY (iteration, seq)) STRICT, WITHOUT ROWID;
INSERT INTO "metric" VALUES(1,0,'connectivity_R2',0.71);
INSERT INTO "metric" VALUES(1,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(1,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(2,0,'connectivity_R2',0.934);
INSERT INTO "metric" VALUES(2,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(2,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(4,0,'connectivity_R2',0.926);
INSERT INTO "metric" VALUES(4,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(4,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(5,0,'connectivity_R2',-0.12);
INSERT INTO "metric" VALUES(5,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(5,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(6,0,'connectivity_R2',0.00031);
INSERT INTO "metric" VALUES(6,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(6,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(7,0,'connectivity_R2',0.7);
INSERT INTO "metric" VALUES(7,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(7,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(8,0,'connectivity_R2',0.72);
INSERT INTO "metric" VALUES(8,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(8,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(9,0,'connectivity_R2',0.93);
INSERT INTO "metric" VALUES(9,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(9,2,'training_time_min',0.25);
INSERT INTO "metric" VALUES(10,0,'connectivity_R2',0.92);
INSERT INTO "metric" VALUES(10,1,'tau_R2',0.5);
INSERT INTO "metric" VALUES(10,2,'training_time_min',0.25);
CREATE TABLE mutation ( node INTEGER NOT NULL REFERENCES node, seq INTEGER NOT NULL, path TEXT NOT NULL, old_text TEXT NOT NULL, new_text TEXT NOT NULL, PRIMARY KEY (node, seq)) STRICT, WITHOUT ROWID;
INSERT INTO "mutation" VALUES(2,0,'training.lr_W','1.0e-3','2.0e-3');
INSERT INTO "mutation" VALUES(3,0,'training.lr_W','2.0e-3','2.0e-2');
INSERT INTO "mutation" VALUES(5,0,'simulation.n_frames','64000','32000');
INSERT INTO "mutation" VALUES(6,0,'training.lr_W','2.0e-3','1.5e-3');
CREATE TABLE node ( id INTEGER PRIMARY KEY, parent INTEGER REFERENCES node, block INTEGER REFERENCES block, config TEXT NOT NULL, config_hash TEXT NOT NULL, strategy TEXT NOT NULL, proposer TEXT NOT NULL, CHECK (parent IS NULL OR parent < id)) STRICT;
INSERT INTO "node" VALUES(1,NULL,1,'simulation:
  n_frames: 64000
  seed: 1
training:
  lr_W: 1.0e-3
  lr: 5.0e-4
  seed: 2
','h','root','embedded');
INSERT INTO "node" VALUES(2,1,1,'simulation:
  n_frames: 64000
  seed: 1
training:
  lr_W: 2.0e-3
  lr: 5.0e-4
  seed: 2
','h','exploit','embedded');
INSERT INTO "node" VALUES(3,2,1,'simulation:
  n_frames: 64000
  seed: 1
training:
  lr_W: 2.0e-2
  lr: 5.0e-4
  seed: 2
','h','failure-probe','embedded');
INSERT INTO "node" VALUES(5,NULL,2,'simulation:
  n_frames: 32000
  seed: 1
training:
  lr_W: 2.0e-3
  lr: 5.0e-4
  seed: 2
','h','root','embedded');
INSERT INTO "node" VALUES(6,5,2,'simulation:
  n_frames: 32000
  seed: 1
training:
  lr_W: 1.5e-3
  lr: 5.0e-4
  seed: 2
','h','exploit','embedded');
CREATE TABLE projection (name TEXT PRIMARY KEY, old TEXT NOT NULL, next TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE run ( one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, study TEXT NOT NULL, created TEXT NOT NULL, reward TEXT NOT NULL, lower_is_better INTEGER NOT NULL, converged REAL, failed REAL, n_iter_block INTEGER NOT NULL, n_parallel INTEGER NOT NULL, proposer TEXT NOT NULL, score_kind TEXT NOT NULL, ucb_c REAL, c_scale TEXT NOT NULL, log_keys TEXT NOT NULL, guardrails TEXT NOT NULL DEFAULT '', log_fields TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "run" VALUES(1,'sample','fly','2026-01-01T00:00:00.000Z','connectivity_R2',0,0.9,0.1,4,2,'embedded','ucb1',1.414,'none','training.lr_W,training.lr','','');
CREATE TABLE step ( what TEXT NOT NULL, id INTEGER NOT NULL, attempt INTEGER NOT NULL, digest TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (what, id, attempt)) STRICT, WITHOUT ROWID;
INSERT INTO "step" VALUES('analyse',1,0,'59eb20f4c5e7f0830da27e3ade3e8d45304b7356a56245035cfc04677be56d0f',1795643862038);
INSERT INTO "step" VALUES('analyse',2,0,'1057a9b0139eec4ae244fcd13bb0ef92aeba9a12a7e28bc2d5729a353780b74a',1795643861837);
INSERT INTO "step" VALUES('analyse',3,0,'77563bbc676f3e797e025836f4ee4c29e7adf0905e2a86f9caf8e547b4523b9b',1795643862258);
INSERT INTO "step" VALUES('analyse',4,0,'bc143578130ca9132db0d36ea48b3e3c804153f0c1797de1cbcd793779805ded',1795643862438);
INSERT INTO "step" VALUES('analyse',5,0,'a4c67c26dd257f1d08686a748e8fde417f39c0310f3b842d58d648c3841c847b',1795643862746);
INSERT INTO "step" VALUES('analyse',6,0,'38d4166efb50b45b0aad0654b6eab2138b8e53d0754b338fb8c8507892ade418',1795643862908);
INSERT INTO "step" VALUES('analyse',7,0,'c60b1f6ce4ac96cdb68fdab9e25e13fc2a4e1711f13ae42e028921c40b9abf5e',1795643863126);
INSERT INTO "step" VALUES('analyse',8,0,'c60b1f6ce4ac96cdb68fdab9e25e13fc2a4e1711f13ae42e028921c40b9abf5e',1795643863309);
INSERT INTO "step" VALUES('analyse',9,0,'c60b1f6ce4ac96cdb68fdab9e25e13fc2a4e1711f13ae42e028921c40b9abf5e',1795643863454);
INSERT INTO "step" VALUES('analyse',10,0,'c60b1f6ce4ac96cdb68fdab9e25e13fc2a4e1711f13ae42e028921c40b9abf5e',1795643863614);
INSERT INTO "step" VALUES('close-block',1,0,'b5bf305f7fe631eef9b65a5dde9da4a5566181efaa8ec7027f0d680ecda27c26',1795643862538);
INSERT INTO "step" VALUES('close-block',2,0,'b5bf305f7fe631eef9b65a5dde9da4a5566181efaa8ec7027f0d680ecda27c26',1795643862974);
INSERT INTO "step" VALUES('commit',1,0,'',1795643862066);
INSERT INTO "step" VALUES('commit',2,0,'',1795643861858);
INSERT INTO "step" VALUES('commit',3,0,'',1795643862288);
INSERT INTO "step" VALUES('commit',4,0,'',1795643862474);
INSERT INTO "step" VALUES('commit',5,0,'',1795643862774);
INSERT INTO "step" VALUES('commit',6,0,'',1795643862940);
INSERT INTO "step" VALUES('commit',7,0,'',1795643863158);
INSERT INTO "step" VALUES('commit',8,0,'',1795643863338);
INSERT INTO "step" VALUES('commit',9,0,'',1795643863482);
INSERT INTO "step" VALUES('commit',10,0,'',1795643863641);
INSERT INTO "step" VALUES('measure',1,1,'46e3bc445c3e8c0cc2695b80f00e86eb1ef12ad9baddad7f46b5595f0194c22d',1795643861954);
INSERT INTO "step" VALUES('measure',2,1,'ba28cd58d9f7867cac2977f336fb6db22a36963ae5a2a82eb54527a4d9eac995',1795643861805);
INSERT INTO "step" VALUES('measure',3,2,'9ef8dcb035eeaec93894c07635f90a1ad654f80e62fa5d58b4d25994f38ab138',1795643862230);
INSERT INTO "step" VALUES('measure',4,1,'37f6adc7555b7ee4a2d395e1230e4e9a4bef657d9406e7b2fc4c7378542bf14e',1795643862410);
INSERT INTO "step" VALUES('measure',5,1,'3b18459eb9b4f76aa22542197ab8a8681a35b73b1bcdc363860023eea0b0fa0e',1795643862714);
INSERT INTO "step" VALUES('measure',6,1,'a45e4f2465859e68aa00cfb947a31c521da536c45e81af84fbedf5c60eceb664',1795643862878);
INSERT INTO "step" VALUES('measure',7,1,'df53233033e9bd8d6e5eaf0381f07c7f39dd01b98822945b29c96862408cbd12',1795643863094);
INSERT INTO "step" VALUES('measure',8,1,'9d1e372bf4044f533643a1ac2ce1cfd9cbb7e670ac61fe1e038a8b934c8485d6',1795643863274);
INSERT INTO "step" VALUES('measure',9,1,'25158994df796fb6c01d0634289ed764d2034f3989bc7b50ebb38191ab54ad22',1795643863434);
INSERT INTO "step" VALUES('measure',10,1,'b9b4228f33622be2018390abcef2fd716c7a44bf4cf7f1ca3d41ae16331564e0',1795643863590);
INSERT INTO "step" VALUES('open-block',1,0,'049351d18ec0dd3f2771062bc642a9c3a5534a22bf58e74a87d59a8a9b1e1d44',1795643861558);
INSERT INTO "step" VALUES('open-block',2,0,'2dfc01b40909b829d336c35691bf6344be4e558d2340cc409a0b16ddbaba4a8f',1795643862574);
INSERT INTO "step" VALUES('plan',1,0,'516710f9f6d288eb39d51ab3c68e10706b53d9b45aec994fbe32a3a7ec0e7374',1795643861594);
INSERT INTO "step" VALUES('plan',2,0,'17cb14ddf187878f1a03cef00ba3027899923e36ac81c00be9ee5bde3ba0623d',1795643861622);
INSERT INTO "step" VALUES('plan',3,0,'ea4414e2d3e4c1cb57411ca53112ff71cfc515bb1fd598fab657bfe304724852',1795643861890);
INSERT INTO "step" VALUES('plan',4,0,'4c88b97e5a4900fe84c9c76ef4784d67c5d6e4496957dbf11f2bc8373ed42e86',1795643862322);
INSERT INTO "step" VALUES('plan',5,0,'97892fc689e2c070bb115de72e0746f2a63e18d84a6a4294a9eb0276054a35b0',1795643862606);
INSERT INTO "step" VALUES('plan',6,0,'a7702f639558ae1666bb34d762ade940e317d003e06249534ad0413a2c518062',1795643862806);
INSERT INTO "step" VALUES('plan',7,0,'dd4c3bd4ea208abcea66593da7354495ecd52fc928793b7bf96c530fbeb9fbcd',1795643863006);
INSERT INTO "step" VALUES('plan',8,0,'52a07f517c29b7b9c552889255356d75e5525ecf71aa85029cc72c52037d43e9',1795643863179);
INSERT INTO "step" VALUES('plan',9,0,'f76cc60fd55ca9115392d9d21e4f83c7e0bea83062db1678f46f94e12f030317',1795643863358);
INSERT INTO "step" VALUES('plan',10,0,'ae8bfed468a038934a078e9e52dc472abe10ede62b9522679dbe1bce303c11a5',1795643863509);
INSERT INTO "step" VALUES('retry',3,1,'2a167934067caf0989a2718a7f153420e8d5e5d401f25821199a2dcc1025bc05',1795643862102);
INSERT INTO "step" VALUES('running',1,1,'',1795643861770);
INSERT INTO "step" VALUES('running',2,1,'',1795643861742);
INSERT INTO "step" VALUES('running',3,2,'',1795643862174);
INSERT INTO "step" VALUES('running',4,1,'',1795643862378);
INSERT INTO "step" VALUES('running',5,1,'',1795643862674);
INSERT INTO "step" VALUES('running',6,1,'',1795643862846);
INSERT INTO "step" VALUES('running',7,1,'',1795643863066);
INSERT INTO "step" VALUES('running',8,1,'',1795643863240);
INSERT INTO "step" VALUES('running',9,1,'',1795643863414);
INSERT INTO "step" VALUES('running',10,1,'',1795643863562);
INSERT INTO "step" VALUES('submit',1,1,'40ef0ff3acdb015db6a9054bd757b905cc256b1855a6e746fc2c8b62d079a122',1795643861658);
INSERT INTO "step" VALUES('submit',2,1,'7e6f1092b7e8866c502ade3c01f7868dc0acfa78fc5ab5e29b8571246f9bde2e',1795643861679);
INSERT INTO "step" VALUES('submit',3,1,'e3ddf6b5c1d8a6c92c67b323d2e6799ee952a1685f4c16170ddc6a249db4229d',1795643861926);
INSERT INTO "step" VALUES('submit',3,2,'9f8f952ec78c3ce7319e34bae4a1324c27735509ea2fae9f800b5fb6c36cc536',1795643862138);
INSERT INTO "step" VALUES('submit',4,1,'d388a89a6331614f7c6a15c27c5127dcec2b3b48197b7fb678cf9950bc56e2aa',1795643862338);
INSERT INTO "step" VALUES('submit',5,1,'27ef58ef6b6382a4b4b208b89b50fb63e1e76712e2a15f9401bb989ff8780e12',1795643862638);
INSERT INTO "step" VALUES('submit',6,1,'085501cc9f2cde09fde02a3a9c17519b06b18e70be5fbe4f478198ce2f86461a',1795643862822);
INSERT INTO "step" VALUES('submit',7,1,'c6aa7e78019ded7378f3605f93fd9e8dd9557132d5173fbf68ef4ed0e498d495',1795643863034);
INSERT INTO "step" VALUES('submit',8,1,'f1d5c38bd4add44d73b0a4441759d86bd7e2e527d1bc60cb7775309d0b8491b3',1795643863208);
INSERT INTO "step" VALUES('submit',9,1,'f156fcc0c1b873f2cbd908fb6b9f94ff4f3b592c11e1b97ba5715e1b9431d5a6',1795643863386);
INSERT INTO "step" VALUES('submit',10,1,'3ed4016b419d22332d4a56a9be43bedc8bf377d944d0e94707a93e6598548b24',1795643863538);
CREATE TABLE text ( id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, version INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, hash TEXT NOT NULL, words TEXT NOT NULL, at_ms INTEGER NOT NULL, block INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, version)) STRICT;
INSERT INTO "text" VALUES(1,'protocol',1,'user','the run''s start','37aade7d6e7d0695380b6c03f85e9895a679205a44f0c24c4c79795f5565e7f4','# Protocol

## Goal

Recover W.
',1795643861497,0);
INSERT INTO "text" VALUES(2,'config',1,'user','the run''s start','a0ce586f40ddd158f5115d7929f776cfc55ec3c1953cf87c7705405774e9af20','simulation:
  n_frames: 64000
  seed: 1
training:
  lr_W: 1.0e-3
  lr: 5.0e-4
  seed: 2
',1795643861497,0);
INSERT INTO "text" VALUES(3,'memory',1,'embedded','block end','0764a2979801c61f5394d372d7a1fd81c2101751c15dc53e23e98b4fef659365','### Established Principles
- lr_W of 2e-3 works
',1795643862506,1);
CREATE INDEX iteration_block ON iteration (block);
INSERT INTO "sqlite_sequence" VALUES('text',3);
INSERT INTO "sqlite_sequence" VALUES('message',1);
INSERT INTO "sqlite_sequence" VALUES('event',2);
COMMIT;
