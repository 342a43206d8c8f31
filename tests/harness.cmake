# Tests of harness/exec and harness/loop. The toy trainer is in e2e.cmake.
set(scratch ${CMAKE_CURRENT_SOURCE_DIR}/support/scratch.c)
cn_test(test_exec_supervise DEPS exec SOURCES ${scratch} DEPENDS cairn-job toy_trainer)
