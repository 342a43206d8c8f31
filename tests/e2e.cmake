# Programs and scripts that drive whole runs on a toy trainer.
cn_program(toy_trainer SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/e2e/toy_trainer.c DEPS base PRIVATE_LIBS m)
cn_program(explore_driver SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/e2e/explore_driver.c DEPS loop PRIVATE_LIBS m)

set(e2e ${CMAKE_CURRENT_SOURCE_DIR}/e2e)
set(bin ${PROJECT_BINARY_DIR}/bin)
cn_script_test(e2e_protocol_versions COMMAND ${e2e}/protocol_versions.sh ${bin} LABELS quick e2e TIMEOUT 120)
cn_script_test(e2e_kill_deadline COMMAND ${e2e}/kill_deadline.sh ${bin} LABELS quick e2e TIMEOUT 120)
cn_script_test(e2e_kill_seam_sample COMMAND ${e2e}/kill_seam.sh ${bin} 29 5 LABELS quick e2e TIMEOUT 300)
cn_script_test(e2e_kill_seam_edits_sample COMMAND ${e2e}/kill_seam.sh ${bin} 11 3 edits LABELS quick e2e TIMEOUT 300)
cn_script_test(e2e_kill_seam COMMAND ${e2e}/kill_seam.sh ${bin} LABELS full e2e TIMEOUT 1800)
cn_script_test(e2e_kill_seam_edits COMMAND ${e2e}/kill_seam.sh ${bin} 1 1 edits LABELS full e2e TIMEOUT 1800)
cn_script_test(e2e_kill_random COMMAND ${e2e}/kill_random.sh ${bin} 120 LABELS full e2e TIMEOUT 1200)
cn_script_test(e2e_records COMMAND ${e2e}/records.sh ${bin} LABELS full e2e TIMEOUT 600)
