# Connectome, lattice, stimulus, simulator, data sets.
foreach(name graph hexgrid connectome synthetic stimulus simulate dataset target)
    cn_test(test_fly_${name} DEPS fly test_support base SOURCES ${CMAKE_CURRENT_LIST_DIR}/support/scratch.c)
endforeach()
# Needs the published files in $CAIRN_FLYVIS; prints why and exits 77 without them.
cn_test(test_fly_published DEPS fly test_support base LABELS full SKIPPABLE
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/support/scratch.c)
cn_fuzz(fuzz_fly_connectome DEPS fly base CORPUS tests/cases/connectome)
