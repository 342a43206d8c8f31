# Targets for the person at the keyboard: format (rewrites), format-check, tidy.
find_program(CLANG_FORMAT clang-format-14)
find_program(CLANG_TIDY clang-tidy-14)
file(GLOB_RECURSE cairn_code CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/base/*.[ch] ${PROJECT_SOURCE_DIR}/logs/*.[ch] ${PROJECT_SOURCE_DIR}/ucb/*.[ch]
    ${PROJECT_SOURCE_DIR}/protocols/*.[ch] ${PROJECT_SOURCE_DIR}/harness/*.[ch] ${PROJECT_SOURCE_DIR}/trainer/*.[ch]
    ${PROJECT_SOURCE_DIR}/tests/*.[ch] ${PROJECT_SOURCE_DIR}/bench/*.[ch])
if(CLANG_FORMAT)
    add_custom_target(format COMMAND ${CLANG_FORMAT} -i ${cairn_code} VERBATIM)
    add_custom_target(format-check COMMAND ${CLANG_FORMAT} --dry-run --Werror ${cairn_code} VERBATIM)
endif()
if(CLANG_TIDY)
    set(cairn_units ${cairn_code})
    list(FILTER cairn_units INCLUDE REGEX "/(base|logs|ucb|protocols|harness|trainer)/.*\\.c$")
    add_custom_target(tidy COMMAND ${CLANG_TIDY} -p ${PROJECT_BINARY_DIR} --quiet ${cairn_units} VERBATIM)
endif()
