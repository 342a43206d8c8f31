#!/bin/sh
# The command as a person meets it: help, wrong verbs, wrong files. Needs $CAIRN_BIN.
set -eu
cairn=$CAIRN_BIN/cairn
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# expect CODE WORDS COMMAND...: the exit code, and words somewhere in what it prints
expect() {
    code=$1 words=$2
    shift 2
    rc=0
    "$@" >out 2>&1 || rc=$?
    [ "$rc" -eq "$code" ] || { echo "expected exit $code, got $rc: $*"; cat out; exit 1; }
    grep -q -- "$words" out || { echo "expected '$words' from: $*"; cat out; exit 1; }
}

expect 2 "usage: cairn VERB" "$cairn"
expect 0 "cairn resume" "$cairn" resume --help
for verb in demo explore resume status tree log stop say verify rebuild train generate evaluate plot describe protocol import export gc doctor llm; do
    expect 0 "^example:" "$cairn" "$verb" --help
done
expect 2 "did you mean 'explore'" "$cairn" explre
expect 2 "did you mean --iterations" "$cairn" explore p.md --iteration 264
expect 2 "no\(thing\)\? \|holds no runs\|there is no run" "$cairn" status nothing
expect 2 "absent.yaml: cannot open" "$cairn" explore absent.md --config absent.yaml
expect 2 "there is no absent.yaml beside" "$cairn" explore absent.md
expect 2 "no such config" "$cairn" train absent.yaml
expect 2 "unknown kind 'zarr'" "$cairn" import zarr x --params y
# a config the trainer would refuse makes no run
sed 's/lr_W:/lr_w:/' "$root/configs/fly/demo.yaml" >bad.yaml
expect 2 "bad.yaml:[0-9]*: training.lr_w: unknown key, did you mean training.lr_W" "$cairn" explore "$root/protocols/fly_demo.md" --config bad.yaml
expect 2 'batch_size: "two", expected a whole number' "$cairn" explore "$root/protocols/fly_demo.md" --config "$root/configs/fly/demo.yaml" --training.batch_size two
expect 2 "did you mean \"n_parallel\"" "$cairn" explore "$root/protocols/fly_demo.md" --config "$root/configs/fly/demo.yaml" --explore.n_paralel 2
expect 0 "are in order" "$cairn" explore "$root/protocols/fly_demo.md" --config "$root/configs/fly/demo.yaml" --dry-run
# language models: words, a model that is a program, one that would cost money
expect 2 "did you mean 'show'" "$cairn" llm shw x
expect 2 "there is no run\|holds no runs\|no\(thing\)\?" "$cairn" llm log nothing
expect 2 "a run and the id of an exchange" "$cairn" llm show nothing
expect 2 "did you mean" "$cairn" llm probe anthropc:x
expect 2 "at most 0\.[0-9]* USD" "$cairn" llm probe openai:gpt-4o
expect 2 "nothing was asked; --yes goes ahead" "$cairn" llm probe openai:gpt-4o
expect 0 "words   yes" "$cairn" llm probe "command:echo ready"
expect 0 'capabilities: "tools=no, images=no' "$cairn" llm probe "command:echo ready"
# a protocol, looked at
expect 0 "simulation.n_frames  *4000  *2000 to 8000" "$cairn" protocol check "$root/protocols/fly_demo.md" --config "$root/configs/fly/demo.yaml"
expect 0 '"trainer_allows": "1 to 10000"' "$cairn" protocol check "$root/protocols/fly_demo.md" --config "$root/configs/fly/demo.yaml" --json
expect 0 "best config again, 8 times or more" "$cairn" protocol check "$root/protocols/flyvis_landscape.md" --config "$root/configs/fly/gold_standard.yaml"
expect 0 "guardrails connectivity_R2 >= 0.9" "$cairn" protocol check "$root/protocols/flyvis_two_stage.md" --config "$root/configs/fly/two_stage.yaml"
expect 2 "Goal: missing" "$cairn" protocol check "$root/README.md"
expect 2 "did you mean 'check'" "$cairn" protocol chek x
expect 2 "too few words" "$cairn" protocol check
[ ! -e runs ] || { echo "a refused config left something behind:"; ls -R runs; exit 1; }
echo "the command line answers as the manual says"
