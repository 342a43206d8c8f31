# json yaml pattern proc plot progress
foreach(file json yaml pattern proc plot progress)
    if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/test_base_${file}.c)
        cn_test(test_base_${file} DEPS base test_support)
    endif()
endforeach()
foreach(reader json yaml)
    if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/fuzz/fuzz_base_${reader}.c AND
       (CAIRN_FUZZ OR EXISTS ${CMAKE_CURRENT_LIST_DIR}/support/fuzz_main.c))
        cn_fuzz(fuzz_base_${reader} DEPS base CORPUS tests/cases/${reader})
    endif()
endforeach()
