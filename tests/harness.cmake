# Tests of harness/exec and harness/loop. The toy trainer is in e2e.cmake.
set(scratch ${CMAKE_CURRENT_SOURCE_DIR}/support/scratch.c)
set(toy ${scratch} ${CMAKE_CURRENT_SOURCE_DIR}/support/toy.c)
cn_test(test_exec_supervise DEPS exec SOURCES ${scratch} DEPENDS cairn-job toy_trainer)
cn_test(test_exec_local DEPS exec SOURCES ${scratch} DEPENDS cairn-job toy_trainer)
cn_test(test_loop_settings DEPS loop PRIVATE_LIBS m)
cn_test(test_loop_trainer DEPS loop PRIVATE_LIBS m)
cn_test(test_loop_mutation DEPS loop PRIVATE_LIBS m)
cn_test(test_loop_run DEPS loop SOURCES ${toy} DEPENDS cairn-job toy_trainer PRIVATE_LIBS m TIMEOUT 300)
