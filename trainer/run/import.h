/* cairn-train import flyvis FILE --params FILE --out DIR: the published fly connectome into a
 * folder that a config can name (simulation.connectome: DIR). */
#ifndef CN_TRAINER_IMPORT_H
#define CN_TRAINER_IMPORT_H

/* argv[0..argc) as main got it (argv[1] is "import"). Returns the exit code; messages on
 * standard error. */
int cn_trainer_import(int argc, char **argv);

#endif
