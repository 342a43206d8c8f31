set(logs_sample ${PROJECT_SOURCE_DIR}/tests/support/logs_sample.c)
cn_test(test_logs_store DEPS logs base PRIVATE_LIBS PkgConfig::sqlite
    SOURCES ${logs_sample} ${PROJECT_SOURCE_DIR}/tests/support/faulty_vfs.c)
cn_test(test_logs_best DEPS logs base PRIVATE_LIBS m)
cn_test(test_logs_project DEPS logs base SOURCES ${logs_sample})
cn_test(test_logs_read DEPS logs base SOURCES ${logs_sample})
cn_test(test_logs_entry DEPS logs base SOURCES ${logs_sample})
cn_fuzz(fuzz_logs_read DEPS logs base CORPUS tests/cases/logs)
