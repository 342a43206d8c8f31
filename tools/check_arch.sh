#!/bin/sh
# Checks every #include "..." below the folders of tools/arch.txt against the arrows written there.
#   usage: tools/check_arch.sh [ROOT]      (default: the tree this script stands in)
# A folder may include itself and what its line lists; the longest listed prefix of a path is its folder.
# Includes are root-relative. Prints each offending line as file:line: reason; exit 1 if there is one.
set -eu
root=${1:-$(dirname "$0")/..}
cd "$root"
[ -r tools/arch.txt ] || { echo "check_arch: $root/tools/arch.txt cannot be read" >&2; exit 2; }

tops=$(sed -n 's/^\([a-z][a-z0-9_]*\)[/:].*/\1/p' tools/arch.txt | sort -u)
list=$(mktemp)
trap 'rm -f "$list"' EXIT
for top in $tops; do
    if [ -d "$top" ]; then
        find "$top" -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \)
    fi
done | sort > "$list"
[ -s "$list" ] || { echo "check_arch: no source file found below $root" >&2; exit 2; }

awk '
# the longest listed folder that holds the path, or ""
function home(path) {
    while (sub(/\/[^\/]*$/, "", path))
        if (path in listed)
            return path
    return ""
}
function complain(words) {
    printf "%s:%d: %s\n", file, line, words
    bad++
}
function check(target,    to) {
    if (target !~ /\//) {
        complain("\"" target "\" is not root-relative")
        return
    }
    to = home(target)
    if (to == "")
        complain(from " may not include \"" target "\": that folder is not in tools/arch.txt")
    else if (to != from && !((from, to) in allowed))
        complain(from " may not include \"" target "\"")
}
FILENAME == "tools/arch.txt" {
    if ($0 ~ /^[ \t]*(#|$)/)
        next
    folder = $1
    sub(/:$/, "", folder)
    listed[folder] = 1
    for (i = 2; i <= NF; i++)
        allowed[folder, $i] = 1
    next
}
{
    file = $0
    files++
    line = 0
    from = home(file)
    if (from == "")
        complain("its folder is not in tools/arch.txt")
    while (from != "" && (getline text < file) > 0) {
        line++
        if (text ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
            split(text, part, "\"")
            includes++
            check(part[2])
        }
    }
    close(file)
}
END {
    printf "%d files, %d includes, %d against the arrows\n", files, includes, bad
    exit bad > 0
}' tools/arch.txt "$list"
