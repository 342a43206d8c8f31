cn_test(test_base_status DEPS base)
cn_test(test_base_alloc DEPS base)
cn_test(test_base_buf DEPS base)
cn_test(test_base_text DEPS base)
cn_test(test_base_file DEPS base)
cn_test(test_base_clock DEPS base)
cn_test(test_base_rng DEPS base PRIVATE_LIBS m)
cn_test(test_base_pool DEPS base)
cn_test(test_base_cases DEPS test_support PRIVATE_LIBS m)

cn_fuzz(fuzz_base_text DEPS base CORPUS tests/cases/text)

if(CAIRN_SANITIZE MATCHES "thread")
    add_executable(tsan_base_pool ${CMAKE_CURRENT_LIST_DIR}/tsan_base_pool.c)
    target_link_libraries(tsan_base_pool PRIVATE cn_base)
    add_test(NAME tsan_base_pool COMMAND tsan_base_pool)
    set_tests_properties(tsan_base_pool PROPERTIES TIMEOUT 300 LABELS tsan
        FAIL_REGULAR_EXPRESSION "WARNING: ThreadSanitizer")
endif()
