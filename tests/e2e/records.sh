#!/bin/sh
# Records as a person handles them: a Python run imported, resumed, exported, imported again,
# verified, rebuilt from its log; gc killed at every durable step. $1: folder of the programs.
set -eu
bin=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$bin:$PATH
export PATH
work=$(mktemp -d)
trap '[ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
cd "$work"

fail() { echo "$*"; exit 1; }
expect() {
    code=$1 words=$2
    shift 2
    rc=0
    "$@" >out 2>&1 || rc=$?
    [ "$rc" -eq "$code" ] || { echo "expected exit $code, got $rc: $*"; cat out; exit 1; }
    grep -q -e "$words" out || { echo "expected '$words' from: $*"; cat out; exit 1; }
}

# figures need Graphviz and seconds; a program of that name that fails leaves them out
mkdir tools && printf '#!/bin/sh\nexit 1\n' >tools/dot && chmod +x tools/dot
PATH=$work/tools:$PATH

mkdir -p LLM_toy/config
cat >LLM_toy/toy_analysis.md <<'EOF'
# Experiment Log: toy

## Iter 1: partial
Node: id=1, parent=root
Config: lr=1E-3, coeff_l1=1E-4, gain=0.5
Metrics: score=0.5
Mutation: none
Next: parent=1

## Iter 2: partial
Node: id=2, parent=1
Metrics: score=0.61
Mutation: lr: 1E-3 -> 2E-3
Observation: as good as score=0.95
Next: parent=2

## Iter 3: partial
Node: id=3, parent=2
Metrics: score=3.1e-01
Mutation: batch: 1 -> 4
EOF
printf 'training:\n  learning_rate_start: 0.002\n  gain: 0.6\n' >LLM_toy/config/iter_002_slot_00.yaml
cat >toy.yaml <<EOF
trainer: {command: [$bin/toy_trainer], describe: $root/tests/e2e/toy_describe.json}
simulation:
  n_frames: 1000
training:
  lr: 1.0e-3
  coeff_l1: 1.0e-4
  gain: 0.5
  batch_size: 1
explore:
  n_iter_block: 4
  confirm: 0
toy:
  ledger: $work/ledger
EOF
protocol=$root/protocols/toy.md

# -- import logs
expect 2 "config FILE is missing" cairn import logs LLM_toy
expect 2 "takes no --params" cairn import logs LLM_toy --config toy.yaml --params x
expect 2 "did you mean 'logs'" cairn import log LLM_toy
expect 2 "multi wants mean" cairn import logs LLM_toy --config toy.yaml --protocol "$protocol" --multi all
expect 0 "would make runs/toy_py" cairn import logs LLM_toy --config toy.yaml --protocol "$protocol" --name toy_py --dry-run
[ ! -e runs ] || fail "a dry run made something"
expect 0 "toy_analysis.md:14: prose-metric: score is quoted" cairn import logs LLM_toy --config toy.yaml --protocol "$protocol" --name toy_py
grep -q "prose-metric" runs/toy_py/import_warnings.txt || fail "no import_warnings.txt"
expect 2 "is there already" cairn import logs LLM_toy --config toy.yaml --protocol "$protocol" --name toy_py
expect 0 "the store is sound" cairn verify toy_py
expect 0 "toy_py" cairn resume toy_py --iterations 9
expect 0 "the store is sound" cairn verify toy_py
expect 0 '"next": 4' cairn import logs LLM_toy --config toy.yaml --protocol "$protocol" --name other --json
rm -r runs/other

# -- export, and the way back
expect 0 '"type": "run"' cairn export toy_py
expect 2 "did you mean 'csv'" cairn export toy_py --format cvs
cairn export toy_py --out a.jsonl
expect 0 "9 iterations" cairn import store a.jsonl --name copy
cairn export copy --format jsonl --out b.jsonl
sed 's/"name": "copy"/"name": "toy_py"/' b.jsonl | cmp - a.jsonl || fail "a copy's export differs"
expect 2 "toy.yaml:1: no JSON" cairn import store toy.yaml --name broken
[ ! -e runs/broken ] || fail "a refused import left a folder"
cairn export toy_py --format csv --out a.csv
[ "$(wc -l <a.csv)" -eq 10 ] || fail "csv: a header and nine rows, not $(wc -l <a.csv)"
cairn export toy_py --format scores >scores.txt
[ "$(grep -c '^Node ' scores.txt)" -ge 5 ] || fail "scores of every block"
cairn export toy_py --format analysis | cmp - runs/toy_py/toy_py_analysis.md || fail "the log differs"
expect 0 "go on\|iterations are done" cairn resume copy --iterations 10

# -- a lost store
rm runs/toy_py/run.db
expect 0 "written again" cairn rebuild toy_py
expect 0 "the store is sound" cairn verify toy_py
expect 0 "toy_py" cairn resume toy_py --iterations 10

# -- gc
for i in runs/toy_py/iter_*; do
    mkdir -p "$i/checkpoint"
    head -c 20000 /dev/urandom >"$i/model.safetensors"
    echo "state of $i" >"$i/checkpoint/optim izer"
done
(cd runs/toy_py && find . -path '*iter_*' -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) >before
expect 2 "one RUN, or --all" cairn gc
expect 0 "nothing was touched" cairn gc toy_py --keep-best 1
(cd runs/toy_py && sha256sum -c --quiet) <before || fail "a dry run changed something"

# killed after its nth durable step: every file is in place or in an archive that has it, and the
# next gc goes on from there
cp -r runs saved
n=1
while :; do
    rm -rf runs seen
    cp -r saved runs
    rc=0
    CAIRN_CRASH_AFTER=$n cairn gc toy_py --keep-best 1 --yes >out 2>&1 || rc=$?
    [ "$rc" -eq 0 ] || [ "$rc" -eq 137 ] || { cat out; fail "gc: exit $rc at step $n"; }
    mkdir seen
    for a in runs/archive/toy_py/iter_*.tar; do
        [ ! -e "$a" ] || tar -xf "$a" -C seen
    done
    cp -r runs/toy_py/iter_* seen/
    (cd seen && sha256sum -c --quiet) <before || fail "gc lost a file when killed at step $n"
    [ "$rc" -ne 0 ] || break
    expect 0 "^moved" cairn gc toy_py --keep-best 1 --yes
    n=$((n + 1))
    [ "$n" -lt 400 ] || fail "gc never ends"
done
[ "$n" -gt 5 ] || fail "gc was killed at $n steps only"
expect 0 "would move: 0 files" cairn gc toy_py --keep-best 1
expect 0 "the store is sound" cairn verify toy_py
ls runs/archive/toy_py/iter_*.2.tar >/dev/null 2>&1 && fail "a second archive of the same files"
[ "$(sort runs/archive/toy_py/manifest.jsonl | cut -d, -f1 | uniq -d | wc -l)" -eq 0 ] || fail "a line twice"
for a in runs/archive/toy_py/iter_*.tar; do
    i=${a##*iter_}
    i=$(echo "${i%.tar}" | sed 's/^0*//')
    expect 0 "has its files back" cairn gc --restore toy_py "$i"
done
(cd runs/toy_py && sha256sum -c --quiet) <before || fail "restored files differ"
expect 2 "nothing of iteration 999" cairn gc --restore toy_py 999

# a run at which somebody works is refused
if command -v flock >/dev/null && command -v python3 >/dev/null; then
    python3 - runs/toy_py/run.lock <<'EOF' &
import fcntl, struct, sys, time
f = open(sys.argv[1], "a+")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
open("locked", "w").close()
time.sleep(20)
EOF
    holder=$!
    k=0
    while [ ! -e locked ] && [ $k -lt 100 ]; do sleep 0.1; k=$((k + 1)); done
    if [ -e locked ]; then
        expect 75 "a harness is at work" cairn gc toy_py --yes
        expect 0 "passed over" cairn gc --all
    fi
    kill "$holder" 2>/dev/null || :
fi
echo "records: imported, exported, rebuilt, archived at $n kill points, and all of it came back"
