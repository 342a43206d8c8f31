# Programs and scripts that drive whole runs on a toy trainer.
cn_program(toy_trainer SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/e2e/toy_trainer.c DEPS base PRIVATE_LIBS m)
cn_program(explore_driver SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/e2e/explore_driver.c DEPS loop PRIVATE_LIBS m)
