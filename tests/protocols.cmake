cn_test(test_protocols_protocol DEPS protocols base test_support)
cn_test(test_protocols_rules DEPS protocols base test_support)
cn_fuzz(fuzz_protocols_parse DEPS protocols base CORPUS tests/cases/protocols)
