#!/bin/bash
# Killed at exact moments and resumed, a training ends with the bytes of an unbroken one.
. "$(dirname "$0")/train_lib.sh"
write_config

expect_exit 0 whole "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/whole"
resumed=0
for n in 5 30 61 75 92 104; do
    # CAIRN_CRASH_AFTER ends the process at once after the n-th durable write, as kill -9 would
    dir=$work/kill_$n
    got=0
    CAIRN_CRASH_AFTER=$n "$bin/cairn-train" run --config "$work/small.yaml" --out "$dir" \
        >"$work/kill.out" 2>"$work/kill.err" || got=$?
    [ "$got" = 137 ] || fail "crash point $n: exit code $got, expected 137"
    [ ! -e "$dir/result.json" ] || fail "crash point $n: a result without an end"
    expect_exit 0 resume "$bin/cairn-train" run --config "$work/small.yaml" --out "$dir" --resume
    grep -q "resuming at iteration" "$work/resume.err" && resumed=$((resumed + 1))
    cmp "$work/whole/model.safetensors" "$dir/model.safetensors" || fail "crash point $n: another model"
    cmp "$work/whole/tmp_training/metrics.log" "$dir/tmp_training/metrics.log" || fail "crash point $n: metrics.log"
    sed 's/"seconds": *[0-9.e-]*//' "$work/whole/metrics.jsonl" >"$work/m1"
    sed 's/"seconds": *[0-9.e-]*//' "$dir/metrics.jsonl" >"$work/m2"
    cmp "$work/m1" "$work/m2" || fail "crash point $n: metrics.jsonl"
done
[ "$resumed" -ge 3 ] || fail "only $resumed of 6 crash points had a checkpoint to resume from"

# a checkpoint of other settings is refused in words, and nothing is overwritten
CAIRN_CRASH_AFTER=75 "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/other" >/dev/null 2>&1 || true
cp "$work/other/checkpoint.safetensors" "$work/kept"
expect_exit 2 other "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/other" --resume --training.lr 3.0e-3
grep -q "made with other settings" "$work/other.err" || fail "no reason given"
cmp "$work/kept" "$work/other/checkpoint.safetensors" || fail "the refused checkpoint was changed"

# started anew in a used folder and killed early, it leaves no earlier result that could pass for its own
expect_exit 0 used "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/used"
CAIRN_CRASH_AFTER=6 "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/used" >/dev/null 2>&1 || true
[ ! -e "$work/used/result.json" ] || fail "an earlier result.json is still there"
[ ! -e "$work/used/model.safetensors" ] || fail "an earlier model is still there"
