cn_test(test_base_status DEPS base)
cn_test(test_base_alloc DEPS base)
cn_test(test_base_buf DEPS base)
cn_test(test_base_text DEPS base)
