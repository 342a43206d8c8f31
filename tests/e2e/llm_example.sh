#!/usr/bin/env bash
# The ten lines of docs/LLM.md as the model of a whole run.
#     llm_example.sh BIN
set -u
bin=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. "$root/tests/e2e/kill_lib.sh"

command -v python3 >/dev/null || { echo "no python3"; exit 77; }
sed -n '/^```python$/,/^```$/p' "$root/docs/LLM.md" | sed '1d;$d' >"$work/model.py"
chmod +x "$work/model.py"
write_toy 8 4 2
sed -i "s|retry_wait_s: 0,|retry_wait_s: 0, noise_defaults: 1, llm: \"command:$work/model.py\",|" "$work/toy.yaml"
drive || { echo "the run failed: $(cat "$work/err")"; exit 1; }
"$bin/explore_driver" --dump "$work/run" >"$work/dump" || exit 1
said=$(grep -c '^node .* llm:' "$work/dump")
echo "$said of 8 configs were the model's"
[ "$said" -ge 4 ] || { cat "$work/out"; exit 1; }
