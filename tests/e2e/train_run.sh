#!/bin/bash
# A whole run leaves what the trainer contract promises, twice the same; evaluate and plot work on it afterwards.
. "$(dirname "$0")/train_lib.sh"
write_config

expect_exit 0 run "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/a" --training.lr_W 1.1e-3
for file in config.yaml metrics.jsonl progress.json result.json model.safetensors tmp_training/metrics.log; do
    [ -s "$work/a/$file" ] || fail "no $file"
done
[ ! -e "$work/a/checkpoint.safetensors" ] || fail "the checkpoint was left behind"
grep -q "^# a comment that stays" "$work/a/config.yaml" || fail "config.yaml lost its comment"
grep -q "learning_rate_W_start: 1.1e-3" "$work/a/config.yaml" || fail "the override is not in config.yaml"
[ "$(field "$work/a/result.json" status)" = ok ] || fail "status is not ok"
[ "$(field "$work/a/result.json" evaluator_selftest)" = passed ] || fail "no self-test"
[ "$(field "$work/a/progress.json" phase)" = done ] || fail "progress does not end with done"
head -n 1 "$work/a/tmp_training/metrics.log" |
    grep -qx "epoch,iteration,connectivity_r2,vrest_r2,tau_r2,phase" || fail "header of metrics.log"
[ "$(grep -c "^[01],[0-9]*,[0-9.]*,[0-9.]*,[0-9.]*,\(joint\|V_rest\)$" "$work/a/tmp_training/metrics.log")" = 26 ] ||
    fail "metrics.log should have 13 rows per epoch"
grep -q "^0,320,.*V_rest$" "$work/a/tmp_training/metrics.log" || fail "the second stage starts at .4 of an epoch"
if command -v gnuplot >/dev/null; then
    for figure in loss r2 weights dynamics embedding functions traces; do
        [ -s "$work/a/$figure.png" ] && [ -s "$work/a/$figure.gp" ] || fail "no figure $figure"
    done
fi

# the same again: the same bytes
expect_exit 0 again "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/b" --training.lr_W 1.1e-3
cmp "$work/a/model.safetensors" "$work/b/model.safetensors" || fail "two runs of one config differ"
cmp "$work/a/tmp_training/metrics.log" "$work/b/tmp_training/metrics.log" || fail "metrics.log differs"

# measured again: the same numbers, the training time kept
before=$(sed -n '/"metrics"/,/}/p' "$work/a/result.json")
expect_exit 0 evaluate "$bin/cairn-train" evaluate --out "$work/a"
after=$(sed -n '/"metrics"/,/}/p' "$work/a/result.json")
[ "$before" = "$after" ] || fail "evaluate gives other numbers: $before $after"
if command -v gnuplot >/dev/null; then
    rm "$work/a/loss.png"
    expect_exit 0 plot "$bin/cairn-train" plot --out "$work/a"
    [ -s "$work/a/loss.png" ] || fail "plot drew nothing"
fi

# without gnuplot a training still succeeds, and says so
mkdir "$work/empty"
PATH=$work/empty expect_exit 0 noplot "$bin/cairn-train" run --config "$work/small.yaml" --out "$work/c" \
    --training.n_epochs 1
grep -q "warning: 0 of 7 figures drawn: gnuplot is not installed" "$work/noplot.err" || fail "no warning about gnuplot"
