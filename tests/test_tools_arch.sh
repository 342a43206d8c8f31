#!/bin/sh
# tools/check_arch.sh must pass a clean copy of the tree and catch each kind of planted include.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tools"
cp "$here/tools/arch.txt" "$work/tools/"
for top in $(sed -n 's/^\([a-z][a-z0-9_]*\)[/:].*/\1/p' "$here/tools/arch.txt" | sort -u); do
    if [ -d "$here/$top" ]; then cp -R "$here/$top" "$work/"; fi
done

# The copy itself must be clean, or the plants prove nothing.
"$here/tools/check_arch.sh" "$work" > "$work/out" || { cat "$work/out"; exit 1; }

# expect FILE LINE-OF-CODE WORDS: planted in FILE it must be reported at its line with WORDS
expect() {
    mkdir -p "$work/$(dirname "$1")"
    printf '/* planted */\n%s\n' "$2" > "$work/$1"
    if "$here/tools/check_arch.sh" "$work" > "$work/out"; then
        echo "not caught: $2 in $1"
        exit 1
    fi
    if ! grep -F "$1:$3" "$work/out" > /dev/null; then
        echo "caught, but not as \"$1:$3\":"
        cat "$work/out"
        exit 1
    fi
    rm "$work/$1"
}
expect base/planted.c '#include "logs/store.h"' '2: base may not include "logs/store.h"'
expect ucb/planted.h '  #  include "logs/store.h"' '2: ucb may not include'
expect trainer/engine/planted.c '#include "trainer/fly/graph.h"' '2: trainer/engine may not include'
expect trainer/run/planted.cu '#include "harness/exec/executor.h"' '2: trainer/run may not include'
expect harness/loop/planted.c '#include "harness/cli/args.h"' '2: harness/loop may not include'
expect logs/planted.c '#include "store.h"' '2: "store.h" is not root-relative'
expect logs/planted.c '#include "tests/support/cases.h"' '2: logs may not include'
expect trainer/unlisted/planted.c '#include "base/status.h"' '0: its folder is not in tools/arch.txt'
"$here/tools/check_arch.sh" "$work" > "$work/out" || { echo "not clean after the plants were gone"; exit 1; }
echo "8 planted includes were caught"
