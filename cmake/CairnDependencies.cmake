# Outside libraries, each with one home in the tree (docs/ARCHITECTURE.md, "dependencies").
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(cjson REQUIRED IMPORTED_TARGET libcjson)        # base/json.c
pkg_check_modules(fyaml REQUIRED IMPORTED_TARGET libfyaml)        # base/yaml.c
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)      # base/pattern.c
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto)      # base/hash.c
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl)          # harness/llm/http.c
pkg_check_modules(png REQUIRED IMPORTED_TARGET libpng)            # harness/loop/picture.c
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)        # logs/store.c
if(BUILD_TESTING)
    pkg_check_modules(criterion REQUIRED IMPORTED_TARGET criterion)
endif()
