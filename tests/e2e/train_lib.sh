# Shared by the cairn-train scripts: a scratch folder, a small config, and checks that say what failed.
set -euo pipefail
bin=${CAIRN_BIN:?CAIRN_BIN is not set: run through ctest}
work=$(mktemp -d "${TMPDIR:-/tmp}/cairn_train_XXXXXX")
trap 'rm -rf "$work"' EXIT
export CAIRN_CACHE=$work/data CAIRN_THREADS=1

fail() {
    echo "FAILED: $*" >&2
    for log in "$work"/*.err; do [ -f "$log" ] && { echo "--- $log"; cat "$log"; } >&2; done
    exit 1
}

# expect_exit CODE NAME command...: output to NAME.out and NAME.err
expect_exit() {
    local want=$1 name=$2 got=0
    shift 2
    "$@" >"$work/$name.out" 2>"$work/$name.err" || got=$?
    [ "$got" = "$want" ] || fail "exit code $got, expected $want: $*"
}

# field FILE KEY: the value of the first "KEY": in a JSON file
field() {
    sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$1" | head -n 1
}

write_config() {
    cat >"$work/small.yaml" <<'YAML'
# a comment that stays
study: fly
simulation:
  extent: 1
  n_neuron_types: 12
  n_frames: 400
  n_test_frames: 60
  noise_model_level: 0.5
  seed: 5
graph_model:
  hidden_dim: 12
  hidden_dim_update: 12
  g_phi_positive: true
training:
  n_epochs: 2
  batch_size: 2
  data_augmentation_loop: 20 # 800 iterations an epoch
  learning_rate_W_start: 1.0e-3
  lr: 2.0e-3
  coeff_g_phi_diff: 100
  coeff_g_phi_norm: 0.9
  alternate_training: true
  seed: 11
YAML
}
