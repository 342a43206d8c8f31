# The command line: its parser, and the program as a person meets it.
cn_test(test_cli_args DEPS cli)
cn_test(test_cli_llm DEPS cli SOURCES ${scratch} ${CMAKE_CURRENT_SOURCE_DIR}/support/mock_llm.c ${logs_sample}
    DEPENDS cairn cairn-train cairn-job PRIVATE_LIBS m Threads::Threads)
cn_script_test(cli_words COMMAND sh tests/e2e/cli_words.sh)
cn_script_test(python_trainer COMMAND sh tests/e2e/python_trainer.sh LABELS e2e TIMEOUT 240)
