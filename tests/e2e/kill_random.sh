#!/usr/bin/env bash
# Kill -9 the harness, a supervisor, a training, or any two of them at random moments, two slots, until KILLS kills are
# made; restart the harness whenever it died; then let every run end. Afterwards: the same iterations as an unbroken run,
# none lost, none doubled, every folder with one success, and never two trainings in one folder at a time.
#     kill_random.sh BIN [KILLS] [SEED]
set -u
bin=$1 wanted=${2:-120} seed=${3:-$((RANDOM))}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")") || exit 1
trap 'rm -rf "$work"' EXIT
. "$root/tests/e2e/kill_lib.sh"

RANDOM=$seed
kills=0 failures=0 runs=0
declare -A killed=([explore_driver]=0 [cairn-job]=0 [toy_trainer]=0)
write_toy 12 6 2 "  sleep_ms: 60"

fail() { echo "run $runs (seed $seed): $*"; failures=$((failures + 1)); }

# The pids of this test's processes whose program is $1; the work folder stands in every command line.
pids_of() {
    local p
    for p in $(pgrep -f "$work/run"); do
        [ "$(cat /proc/"$p"/comm 2>/dev/null)" = "$1" ] && echo "$p"
    done
}

kill_one() {
    local names=(explore_driver cairn-job toy_trainer) name pids
    name=${names[$((RANDOM % 3))]}
    mapfile -t pids < <(pids_of "$name")
    [ ${#pids[@]} -eq 0 ] && return
    if kill -9 "${pids[$((RANDOM % ${#pids[@]}))]}" 2>/dev/null; then
        kills=$((kills + 1))
        killed[$name]=$((${killed[$name]} + 1))
    fi
}

check_run() {
    local n
    "$bin/explore_driver" --dump "$work/run" >"$work/dump" 2>&1 || fail "the store fails its check: $(tail -1 "$work/dump")"
    n=$(grep -c '^iteration ' "$work/dump")
    [ "$n" -ge 13 ] && [ "$n" -le 15 ] || fail "$n iterations instead of 12 and 1 to 3 confirmations"
    [ "$(grep '^iteration ' "$work/dump" | awk '{print $2}' | tr '\n' ' ')" = "$(seq 1 "$n" | tr '\n' ' ')" ] ||
        fail "ids have gaps or doubles"
    [ "$(grep -c '^iteration .* committed seeds' "$work/dump")" = "$n" ] || fail "not all iterations are committed"
    [ "$(grep -c ' outcome infra' "$work/dump")" = 0 ] || fail "an iteration was given up"
    [ "$(ls -d "$work"/run/iter_* | wc -l)" = "$n" ] || fail "folders and iterations differ"
    for d in "$work"/run/iter_*; do
        # An attempt that ended well has both files; one without them was not counted.
        grep -q '"ended": "exited", "code": [03],' "$d/exit.json" || fail "$d: $(cat "$d/exit.json")"
        grep -q '"status": "ok"\|"status": "diverged"' "$d/result.json" || fail "$d: no result"
    done
    grep -q '^double' "$work/ledger" && fail "two trainings in one folder: $(grep '^double' "$work/ledger" | head -1)"
    [ -z "$(pgrep -f "$work/run")" ] || fail "processes are left: $(pgrep -af "$work/run" | head -3)"
}

while [ $kills -lt "$wanted" ] && [ $runs -lt 100 ]; do
    runs=$((runs + 1))
    rm -rf "$work/run" "$work/ledger"
    while :; do
        drive &
        driver=$!
        while kill -0 $driver 2>/dev/null; do
            sleep "0.$(printf %03d $((20 + RANDOM % 180)))"
            [ $kills -lt "$wanted" ] && kill_one
            [ $((RANDOM % 3)) -eq 0 ] && [ $kills -lt "$wanted" ] && kill_one
        done
        wait $driver 2>/dev/null
        rc=$?
        [ $rc -eq 0 ] && break
        [ $rc -eq 137 ] || { fail "the harness ended with $rc: $(cat "$work/err")"; break; }
    done
    check_run
done
echo "kill_random: seed $seed, $kills kills in $runs runs (harness ${killed[explore_driver]}, cairn-job ${killed[cairn-job]}," \
    "training ${killed[toy_trainer]}), $failures wrong"
[ $failures -eq 0 ]
