cn_script_test(arch_arrows COMMAND ${PROJECT_SOURCE_DIR}/tools/check_arch.sh LABELS quick)
cn_script_test(arch_checker_catches_plants COMMAND ${PROJECT_SOURCE_DIR}/tests/test_tools_arch.sh LABELS quick)
cn_script_test(format COMMAND ${PROJECT_SOURCE_DIR}/tools/check_format.sh LABELS quick)
