#!/usr/bin/env bash
# The deadline of a training holds while no harness lives, and the harness that comes back learns of it.
#     kill_deadline.sh BIN
set -u
bin=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. "$root/tests/e2e/kill_lib.sh"

write_toy 2 2 1 "  mode: hang"
drive explore.deadline_min=0.02 explore.grace_s=1 explore.confirm=0 &
driver=$!
until [ -s "$work/ledger" ]; do sleep 0.02; done
harness=$(pgrep -f "explore_driver $work/run")
kill -9 $harness
wait $driver 2>/dev/null
until [ -e "$work/run/iter_000001/exit.json" ]; do sleep 0.05; done # CTest's timeout is the only other clock
grep -q '"ended": "deadline"' "$work/run/iter_000001/exit.json" || { cat "$work/run/iter_000001/exit.json"; exit 1; }
drive || { cat "$work/err"; exit 1; }
"$bin/explore_driver" --dump "$work/run" >"$work/dump" || exit 1
[ "$(grep -c ' outcome timeout' "$work/dump")" = 2 ] || { grep outcome "$work/dump"; exit 1; }
[ "$(grep -c '^start .*iter_000001 ' "$work/ledger")" = 1 ] || { echo "trained twice:"; cat "$work/ledger"; exit 1; }
echo "kill_deadline: 1 kill; the deadline held without a harness, and the outcome is timeout"
