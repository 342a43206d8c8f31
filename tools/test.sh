# ./cairn test: sourced by ./cairn. Builds with warnings as errors and runs every test that needs no GPU, then the
# same code under the address and undefined-behaviour sanitizers. The last line is "N passed, N failed".
#
#   ./cairn test            everything
#   ./cairn test --quick    without the sanitizer run

ensure_packages build run test

quick=
for arg in "$@"; do
    case "$arg" in
    --quick) quick=1 ;;
    *) say "cairn test: unknown option '$arg'; known: --quick"; exit 2 ;;
    esac
done

# The published connectome, when it lies beside the checkout; its tests say so when it does not.
if [ -z "${CAIRN_FLYVIS:-}" ] && [ -d "$root/../shared/data/flyvis" ]; then
    CAIRN_FLYVIS=$(CDPATH='' cd -- "$root/../shared/data/flyvis" && pwd)
    export CAIRN_FLYVIS
fi

passed=0
failed=0
skipped=0

# One step that either passes or fails as a whole; its exit code says which.
step() {
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        say "ok      $what"
    else
        failed=$((failed + 1))
        say "FAILED  $what"
        return 1
    fi
}

# Run ctest of preset $1 with the further arguments and add up its verdict.
run_ctest() {
    preset=$1
    shift
    log="$root/build/$preset/ctest.log"
    (cd "$root/build/$preset" && ctest --output-on-failure --no-tests=error -j "$jobs" "$@" 2>&1) | tee "$log" | sed -n '/Test *#\|^[0-9]*% tests\|The following\|(Failed)\|(Timeout)\|SEGFAULT\|Skipped\|\*\*\*/p'
    total=$(sed -n 's/^.*tests passed, .* out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/^.*tests passed, \([0-9]*\) tests failed out of.*$/\1/p' "$log")
    skip=$(grep -c '\*\*\*Skipped' "$log" || true)
    if [ -z "$total" ]; then
        say "cairn test: ctest of $preset did not finish; its output is in $log"
        failed=$((failed + 1))
        return
    fi
    [ "$bad" -eq 0 ] || sed -n '/\*\*\*Failed\|\*\*\*Timeout\|\*\*\*Exception/,/^ *[0-9]*\/[0-9]* Test/p' "$log" | tail -n 400
    passed=$((passed + total - bad - skip))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
}

say "building with warnings as errors ..."
if step "build (check)" build check; then
    step "every header compiles alone" build check all_verify_interface_header_sets || true
    run_ctest check -LE gpu
fi
if [ -z "$quick" ]; then
    say "building with the address and undefined-behaviour sanitizers ..."
    if step "build (asan)" build asan; then
        run_ctest asan -LE 'gpu|slow'
    fi
fi
[ "$skipped" -eq 0 ] || say "$skipped skipped (each printed why)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
exit
