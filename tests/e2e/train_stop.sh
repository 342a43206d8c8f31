#!/bin/bash
# SIGTERM: a checkpoint, result.json with status stopped, exit 5; --resume goes on to the same end.
. "$(dirname "$0")/train_lib.sh"
write_config
long="--training.data_augmentation_loop 400"

"$bin/cairn-train" run --config "$work/small.yaml" --out "$work/s" $long >"$work/stop.out" 2>"$work/stop.err" &
pid=$!
for _ in $(seq 600); do # until it trains
    [ -s "$work/s/metrics.jsonl" ] && break
    sleep 0.05
done
kill -TERM "$pid"
got=0
wait "$pid" || got=$?
[ "$got" = 5 ] || fail "exit code $got, expected 5"
[ "$(field "$work/s/result.json" status)" = stopped ] || fail "status is not stopped"
[ -s "$work/s/checkpoint.safetensors" ] || fail "no checkpoint"
expect_exit 0 resume "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/s" $long --resume
grep -q "resuming at iteration" "$work/resume.err" || fail "did not resume"
expect_exit 0 whole "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/whole" $long
cmp "$work/whole/model.safetensors" "$work/s/model.safetensors" || fail "stopping changed the model"
[ "$(field "$work/s/result.json" status)" = ok ] || fail "status is not ok after resuming"
