#!/usr/bin/env bash
# cairn protocol log, diff and revert on a run whose rules the host edited; without a harness and with one at work.
#     protocol_versions.sh BIN
set -u
bin=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")") || exit 1
trap 'rm -rf "$work"' EXIT
. "$root/tests/e2e/kill_lib.sh"

fail() { echo "$*"; cat "$work/said" 2>/dev/null; exit 1; }
# expect CODE WORDS COMMAND...
expect() {
    local code=$1 words=$2 rc=0
    shift 2
    "$@" >"$work/said" 2>&1 || rc=$?
    [ $rc -eq "$code" ] || fail "expected exit $code, got $rc: $*"
    grep -q -- "$words" "$work/said" || fail "expected '$words' from: $*"
}

write_toy 16 8 1 "  sleep_ms: 150"
grep -v '^| .*\(successes\|Found\|Branching\)' "$root/protocols/toy.md" >"$work/plain.md"
protocol=$work/plain.md
drive || fail "the run failed: $(cat "$work/err")"

expect 0 '^version 2 .* block 1  by embedded  +1 -0$' "$bin/cairn" protocol log "$work/run"
grep -q 'effect: .*block 2 against block 1' "$work/said" || fail "no effect"
expect 0 '"author": "embedded"' "$bin/cairn" protocol log "$work/run" --json
python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); assert v[1]["added"] == 1 and v[1]["verdict"], v' \
    "$work/said" 2>"$work/err" || fail "the JSON is wrong: $(cat "$work/err")"
expect 0 '^+| Branching rate < 20% in last block' "$bin/cairn" protocol diff "$work/run" 1 2
expect 2 "a version of the protocol was expected, 1 to" "$bin/cairn" protocol diff "$work/run" 1 99
expect 2 "which version" "$bin/cairn" protocol revert "$work/run"
n=$("$bin/cairn" protocol log "$work/run" | grep -c '^version ')

# without a harness: a version at once
expect 0 "in force again, as version $((n + 1)) by" "$bin/cairn" protocol revert "$work/run" 1
cmp -s "$work/run/protocol.md" "$work/plain.md" || fail "protocol.md is not version 1"
expect 0 "nothing to do" "$bin/cairn" protocol revert "$work/run" 1
expect 0 "    reverted to version 1" "$bin/cairn" protocol log "$work/run"
echo "my words" >>"$work/run/protocol.md"
expect 2 "holds words that are no version yet" "$bin/cairn" protocol revert "$work/run" 2
cp "$work/plain.md" "$work/run/protocol.md"

# with one: it takes the words over
sed -i 's/iterations: 16/iterations: 24/' "$work/toy.yaml"
cp "$work/toy.yaml" "$work/run/base.yaml"
next=$work/run/iter_$(printf %06d $(($(ls -d "$work"/run/iter_* | wc -l) + 1)))
drive &
driver=$!
for _ in $(seq 300); do
    [ -d "$next" ] && break
    sleep 0.1
done
expect 0 "a harness is at work" "$bin/cairn" protocol revert "$work/run" 2
wait $driver || fail "the harness ended with $?: $(cat "$work/err")"
expect 0 "    edited in place: the words of version 2" "$bin/cairn" protocol log "$work/run"
echo "the rules of a run can be listed, compared and taken back"
