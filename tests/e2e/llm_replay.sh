#!/bin/sh
# A run with a model, explored again from its record: no network, no model, and every Markdown file byte
# for byte the same. Then with a request that differs.
#     llm_replay.sh BIN [SLOTS]
set -eu
bin=$1
slots=${2:-1}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$root/tests/e2e/kill_lib.sh"
mkdir "$work/model" "$work/a" "$work/b" "$work/c"
write_toy 12 6 "$slots"
# one answer that must be repaired, one attempt that fails and is made again
printf '2 refused\n4 fail\n' >"$work/model/script"

# explore FOLDER SPEC: the same run in another folder
explore() {
    folder=$1 spec=$2
    shift 2
    rc=0
    "$bin/explore_driver" "$work/$folder/run" "$root/protocols/toy.md" "$work/toy.yaml" "explore.llm=$spec" "$@" \
        >"$work/out" 2>"$work/err" || rc=$?
    [ "$rc" -eq 0 ] || { echo "$folder: exit $rc"; tail -n 5 "$work/out"; cat "$work/err"; exit 1; }
}
texts() { (cd "$work/$1/run" && find . -name '*.md' | LC_ALL=C sort); }

explore a "command:$bin/toy_model $work/model"
calls=$(cat "$work/model/calls")
[ "$calls" -gt 4 ] || { echo "the model was asked $calls times"; exit 1; }
explore b "replay:$work/a/run"
[ "$(cat "$work/model/calls")" -eq "$calls" ] || { echo "the replay asked the model"; exit 1; }
[ "$(texts a)" = "$(texts b)" ] || { echo "other files"; texts a; texts b; exit 1; }
[ "$(texts a | wc -l)" -ge 6 ] || { echo "too few files"; texts a; exit 1; }
for f in $(texts a); do
    cmp "$work/a/run/$f" "$work/b/run/$f" || { diff "$work/a/run/$f" "$work/b/run/$f" | head -20; exit 1; }
done
grep -q "llm:" "$work/b/run/run_analysis.md" || { echo "the log does not name the model"; exit 1; }
"$bin/cairn" llm log "$work/b/run" | tail -1 | grep -q "replayed: nothing was spent" || { echo "not said to be replayed"; exit 1; }

# Another protocol: the first request differs, which is told; nobody answers, the embedded proposer does.
sed 's/^## Goal$/&\n\nAnd quickly./' "$root/protocols/toy.md" >"$work/other.md"
"$bin/explore_driver" "$work/c/run" "$work/other.md" "$work/toy.yaml" "explore.llm=replay:$work/a/run" >"$work/out" 2>"$work/err" || true
grep -q "differs from the recorded one from byte" "$work/out" || { echo "the difference is not told"; tail -n 5 "$work/out"; cat "$work/err"; exit 1; }
echo "a run of $calls requests was replayed byte for byte"
