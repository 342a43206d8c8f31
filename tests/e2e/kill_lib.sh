# Shared by the kill tests; expects $bin, $root and $work.
export PATH=/usr/bin:/bin NO_COLOR=1

# Figures are left out: Graphviz takes seconds and is not what is tested.
mkdir -p "$work/nodot"
printf '#!/bin/sh\nexit 1\n' >"$work/nodot/dot"
chmod +x "$work/nodot/dot"
PATH=$work/nodot:$PATH

# write_toy ITERATIONS BLOCK SLOTS [LINES FOR toy:]
write_toy() {
    cat >"$work/toy.yaml" <<EOF
# the toy
trainer: {command: [$bin/toy_trainer], describe: $root/tests/e2e/toy_describe.json}
simulation:
  n_frames: 1000   # frames
training:
  lr: 1.0e-3       # learning rate
  coeff_l1: 1.0e-4
  gain: 0.5
  batch_size: 1
explore: {iterations: $1, n_iter_block: $2, n_parallel: $3, confirm: 1, retry_wait_s: 0, infra_retries: 1000}
toy:
  ledger: $work/ledger
${4:-}
EOF
}

drive() {
    "$bin/explore_driver" "$work/run" "${protocol:-$root/protocols/toy.md}" "$work/toy.yaml" "$@" >"$work/out" 2>"$work/err"
}
