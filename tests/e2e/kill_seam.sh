#!/usr/bin/env bash
# Kill the harness after its 1st, 2nd, 3rd, ... durable operation, one slot, then let it come back until it is done.
# The store (without times and attempts) and every Markdown file must be those of the unbroken run.
#     kill_seam.sh BIN [STEP] [FIRST] [edits | window | model]     every STEP-th operation, from the FIRST on
# edits: with a rule table so plain that the host edits it at the end of the first block.
# model: a language model behind a command proposes, analyses, edits rules and memory; and thrice the harness
# is killed while it waits for it.
# window: as of a long run: the newest two blocks in memory, a log of many volumes.
set -u
bin=$1 step=${2:-1} first=${3:-1}
root=$(cd "$(dirname "$0")/../.." && pwd)
# Memory is fine: what is killed are processes, and a busy disk would only make it slow.
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")") || exit 1
trap 'rm -rf "$work"' EXIT
. "$root/tests/e2e/kill_lib.sh"

write_toy 10 5 1
if [ "${4:-}" = edits ]; then
    grep -v '^| .*\(successes\|Found\|Branching\)' "$root/protocols/toy.md" >"$work/plain.md"
    protocol=$work/plain.md
fi
extra=
if [ "${4:-}" = window ]; then
    write_toy 15 3 1
    extra="window=1 volume=3000"
fi
if [ "${4:-}" = model ]; then
    mkdir "$work/model"
    sed -i "s|retry_wait_s: 0,|retry_wait_s: 0, noise_defaults: 1, llm: \"command:$bin/toy_model $work/model\",|" "$work/toy.yaml"
fi
# Texts are compared, so nothing may differ but what the kill does.
picture() {
    "$bin/explore_driver" --dump "$work/run" &&
        (cd "$work/run" && for f in protocol.md run_analysis*.md run_memory.md ucb_scores.txt report.md snapshots/*/*.md \
            iter_*/config.yaml; do echo "== $f"; cat "$f"; done)
}

drive $extra || { echo "the unbroken run failed:"; cat "$work/err"; exit 1; }
picture >"$work/reference" || exit 1
if [ "${4:-}" = edits ] && ! grep -q '^text protocol 2 embedded' "$work/reference"; then
    echo "no edit was made: nothing is tested"
    exit 1
fi
if [ "${4:-}" = window ] && ! grep -q '^== run_analysis.002.md' "$work/reference"; then
    echo "the log was not sealed twice: nothing is tested"
    exit 1
fi
kills=0 failures=0 n=$first
while :; do
    rm -rf "$work/run"
    drive $extra crash_after="$n"; rc=$?
    [ $rc -eq 0 ] && break # the run has fewer operations than n
    if [ $rc -ne 137 ]; then
        echo "operation $n: exit code $rc instead of the crash: $(cat "$work/err")"
        failures=$((failures + 1)) n=$((n + step))
        continue
    fi
    kills=$((kills + 1))
    drive $extra; rc=$?
    if [ $rc -ne 0 ]; then
        echo "operation $n: did not come back: exit code $rc: $(cat "$work/err")"
        failures=$((failures + 1))
    elif ! picture >"$work/picture" 2>&1 || ! cmp -s "$work/reference" "$work/picture"; then
        echo "operation $n: differs from the unbroken run:"
        diff "$work/reference" "$work/picture" | head -12
        failures=$((failures + 1))
    fi
    n=$((n + step))
done
if [ "${4:-}" = model ]; then
    grep -q ' llm:' "$work/reference" || { echo "the model proposed nothing: nothing is tested"; exit 1; }
    for call in 1 4 6; do # 6: the end of the first block
        rm -rf "$work/run" "$work/model"/*
        echo "$call slow" >"$work/model/script"
        "$bin/explore_driver" "$work/run" "$root/protocols/toy.md" "$work/toy.yaml" >"$work/out" 2>"$work/err" &
        driver=$!
        for _ in $(seq 600); do [ -e "$work/model/prompt_00$call" ] && break; sleep 0.05; done
        kill -9 $driver
        wait $driver 2>/dev/null
        rm -f "$work/model/script"
        kills=$((kills + 1))
        if ! drive; then
            echo "exchange $call: did not come back: $(cat "$work/err")"
            failures=$((failures + 1))
        elif ! picture >"$work/picture" 2>&1 || ! cmp -s "$work/reference" "$work/picture"; then
            echo "exchange $call: differs from the unbroken run:"
            diff "$work/reference" "$work/picture" | head -12
            failures=$((failures + 1))
        fi
    done
fi
echo "kill_seam: $kills kills (every ${step}th of $((n - 1)) durable operations from the ${first}th), $failures wrong"
[ $failures -eq 0 ] && [ $kills -gt 0 ]
