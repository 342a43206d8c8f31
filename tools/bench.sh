#!/bin/sh
# ./cairn bench [NAME] [options]: run one bench program, or list and run them all.
#   tools/bench.sh BUILD_DIR [NAME] [--json] [program options]
set -eu
bin=$1/bin
shift
case "${1:-}" in
'' | -*)
    for program in "$bin"/cn_bench_*; do
        [ -x "$program" ] || continue
        "$program" "$@"
    done
    ;;
*)
    name=$1
    shift
    if [ ! -x "$bin/cn_bench_$name" ]; then
        echo "cairn bench: no bench named '$name'; known: $(cd "$bin" && echo cn_bench_* | sed 's/cn_bench_//g')" >&2
        exit 2
    fi
    exec "$bin/cn_bench_$name" "$@"
    ;;
esac
