#!/bin/sh
# The tutorial, run end to end: cairn explores a trainer written in Python. Needs $CAIRN_BIN and python3.
set -eu
root=$(pwd)
if ! command -v python3 >/dev/null 2>&1; then
    echo "skipped: python3 is not installed"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$root/examples/python_trainer" "$work/study"
cd "$work"
"$CAIRN_BIN/cairn" explore study/protocol.md --config study/config.yaml --name curve
run=runs/curve
[ "$(grep -c '^## Iter ' $run/curve_analysis.md)" -ge 12 ] || { echo "fewer than 12 entries"; cat $run/curve_analysis.md; exit 1; }
grep -q 'test_R2=' $run/curve_analysis.md
[ -s $run/report.md ] && [ -s $run/curve_memory.md ]
"$CAIRN_BIN/cairn" verify curve
# the store is lost: the log brings it back, the texts come out the same, and the run goes on
cp $run/curve_analysis.md $run/curve_memory.md "$work"
rm $run/run.db
"$CAIRN_BIN/cairn" rebuild curve --config-dir study
cmp "$work/curve_analysis.md" $run/curve_analysis.md
cmp "$work/curve_memory.md" $run/curve_memory.md
"$CAIRN_BIN/cairn" say curve 'try a larger step'
"$CAIRN_BIN/cairn" resume curve --iterations 13
grep -q '^User instruction: try a larger step' $run/curve_analysis.md
grep -q 'try a larger step (read' $run/user_input.md
"$CAIRN_BIN/cairn" verify curve
# what the trainer measured is what the log says
python3 - "$run" <<'P'
import json, re, sys
run = sys.argv[1]
text = open(run + "/curve_analysis.md").read()
checked = 0
for number, body in re.findall(r"^## Iter (\d+):[^\n]*\n(.*?)(?=^## |\Z)", text, re.M | re.S):
    said = re.search(r"^Metrics:.*?test_R2=([-+.\deE]+)", body, re.M)
    if not said:
        continue
    found = json.load(open(f"{run}/iter_{int(number):06d}/result.json"))["metrics"]["test_R2"]
    assert abs(float(said.group(1)) - found) <= 1e-3 * max(1, abs(found)), (number, said.group(1), found)
    checked += 1
assert checked >= 8, checked
print(f"{checked} rewards agree with their result.json")
P
