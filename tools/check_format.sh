#!/bin/sh
# Checks that every tracked C file is as clang-format-14 would write it (.clang-format is for that version).
# Exit 77 (skipped, with the reason) where that program is not installed.
set -eu
cd "$(dirname "$0")/.."
if ! command -v clang-format-14 > /dev/null; then
    echo "skipped: clang-format-14 is not installed"
    exit 77
fi
if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    files() { git ls-files -z -- '*.c' '*.h'; }
else # an unpacked release: all of it is tracked
    files() { find . -path ./build -prune -o -type f \( -name '*.c' -o -name '*.h' \) -print0; }
fi
n=$(files | tr -cd '\0' | wc -c)
[ "$n" -gt 0 ] || { echo "check_format: no C file found" >&2; exit 2; }
files | xargs -0 clang-format-14 --dry-run --Werror
echo "$n files are formatted"
