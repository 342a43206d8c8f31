set(logs_sample ${PROJECT_SOURCE_DIR}/tests/support/logs_sample.c)
cn_test(test_logs_store DEPS logs base PRIVATE_LIBS PkgConfig::sqlite
    SOURCES ${logs_sample} ${PROJECT_SOURCE_DIR}/tests/support/faulty_vfs.c)
cn_test(test_logs_window DEPS logs base PRIVATE_LIBS PkgConfig::sqlite m TIMEOUT 300
    SOURCES ${logs_sample} ${PROJECT_SOURCE_DIR}/tests/support/long_run.c)
cn_test(test_logs_exchange DEPS logs base SOURCES ${logs_sample} PRIVATE_LIBS m)
cn_test(test_logs_best DEPS logs base PRIVATE_LIBS m)
cn_test(test_logs_project DEPS logs base SOURCES ${logs_sample})
cn_test(test_logs_read DEPS logs base SOURCES ${logs_sample})
cn_test(test_logs_export DEPS logs base SOURCES ${logs_sample} PRIVATE_LIBS m)
cn_test(test_logs_read_random DEPS logs base PRIVATE_LIBS m)
cn_test(test_logs_read_traps DEPS logs base)
cn_test(test_logs_read_folder DEPS logs base SOURCES ${PROJECT_SOURCE_DIR}/tests/support/scratch.c)
cn_test(test_logs_entry DEPS logs base SOURCES ${logs_sample})
cn_test(test_logs_principles DEPS logs base PRIVATE_LIBS m
    SOURCES ${PROJECT_SOURCE_DIR}/tests/support/made.c)
cn_test(test_logs_memory DEPS logs base PRIVATE_LIBS m
    SOURCES ${PROJECT_SOURCE_DIR}/tests/support/made.c ${PROJECT_SOURCE_DIR}/tests/support/made_many.c)
cn_test(test_logs_report DEPS logs base PRIVATE_LIBS m
    SOURCES ${PROJECT_SOURCE_DIR}/tests/support/made.c ${PROJECT_SOURCE_DIR}/tests/support/made_many.c)
cn_fuzz(fuzz_logs_read DEPS logs base CORPUS tests/cases/logs)
cn_fuzz(fuzz_logs_memory DEPS logs base CORPUS tests/cases/memory)
cn_fuzz(fuzz_logs_scores DEPS logs base CORPUS tests/cases/scores)
cn_fuzz(fuzz_logs_export DEPS logs base CORPUS tests/cases/export)
cn_test(test_logs_inert DEPS logs base PRIVATE_LIBS m SOURCES ${PROJECT_SOURCE_DIR}/tests/support/made.c)
