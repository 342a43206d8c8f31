#!/bin/bash
# Everything wrong ends with the contract's exit code, a message that names the place, and a result.json where it can.
. "$(dirname "$0")/train_lib.sh"
write_config
t=$bin/cairn-train

expect_exit 2 none "$t"
expect_exit 0 help "$t" --help
grep -q "cairn-train run --config configs/fly/demo.yaml" "$work/help.out" || fail "no example in the help"
expect_exit 2 verb "$t" rnu
grep -q 'did you mean run' "$work/verb.err" || fail "no suggestion for a verb"
expect_exit 2 noconfig "$t" run --out "$work/x"
expect_exit 2 nofile "$t" run --config "$work/absent.yaml" --out "$work/x"
expect_exit 2 option "$t" run --config "$work/small.yaml" --out "$work/x" --fast yes
expect_exit 2 study "$t" describe flies
expect_exit 0 describe "$t" describe fly

expect_exit 2 key "$t" run --config "$work/small.yaml" --out "$work/bad" --training.lrW 1
grep -q 'training.lrW' "$work/key.err" && grep -q 'training.lr_W?' "$work/key.err" || fail "no suggestion for a key"
[ "$(field "$work/bad/result.json" status)" = bad_config ] || fail "no result.json for a bad config"
sed 's/lr: 2.0e-3/lr: quick/' "$work/small.yaml" >"$work/wrong.yaml"
expect_exit 2 value "$t" run --config "$work/wrong.yaml" --out "$work/bad"
grep -q 'wrong.yaml:19: training.lr: "quick", expected a number in 0..1' "$work/value.err" || fail "place of a bad value"
expect_exit 2 network "$t" run --config "$work/small.yaml" --out "$work/bad" --simulation.n_neurons 7
grep -q 'n_neurons: 7, but the network has 84' "$work/network.err" || fail "the stated network is not checked"
expect_exit 2 linear "$t" run --config "$work/small.yaml" --out "$work/bad" --graph_model.signal_model_name flyvis_linear --training.coeff_g_phi_diff 3
grep -q 'training.coeff_g_phi_diff: 3, expected 0' "$work/linear.err" || fail "a term without effect is accepted"
CAIRN_THREADS=many expect_exit 2 threads "$t" run --config "$work/small.yaml" --out "$work/bad"
grep -q 'CAIRN_THREADS' "$work/threads.err" || fail "the environment variable is not named"
expect_exit 2 untrained "$t" evaluate --config "$work/small.yaml" --out "$work/untrained"
grep -q 'no trained model here' "$work/untrained.err" || fail "evaluate without a model"

# a training that explodes is an outcome of its own: eight linear layers at a rate of 1 overflow
expect_exit 3 diverged "$t" run --config "$work/small.yaml" --out "$work/div" --graph_model.MLP_activation none \
    --graph_model.n_layers 8 --graph_model.n_layers_update 8 --training.lr 1
grep -q 'epoch 0, iteration' "$work/diverged.err" || fail "the place of the divergence is not named"
[ "$(field "$work/div/result.json" status)" = diverged ] || fail "status is not diverged"
