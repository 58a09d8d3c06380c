#!/usr/bin/env bash
# Line coverage of the contracts by their unit and fuzz tests: prints a line a file, names the lines
# that no test reached, and fails below 98 %. Takes some minutes.
#
# The runner counts lines in code that was compiled without optimizer. OpenZeppelin's P-256 needs
# more stack than the compiler then has, so what checks passkeys is measured in a run of its own, in
# which the compiler works by its intermediate language; doing that with everything takes too long.
# Invariant tests and gas measurements are left out: the one adds hours, the other asserts prices
# of optimized code.
set -euo pipefail

MINIMUM_PPM=980000
cd "$(dirname "$0")/../contracts"
target=../build/coverage
mkdir -p "$target"
export FOUNDRY_OUT="$target/out" FOUNDRY_CACHE_PATH="$target/cache"

skip=()
add() { for path in "$@"; do skip+=(--skip "$path"); done; }
measure() {
  local report="$target/$1.info"
  shift
  rm -f "$report"
  ./forge-npm coverage --report lcov --report-file "$report" \
    --no-match-coverage '(^|/)(lib|node_modules|test|test-assets)/' \
    --no-match-test gas "$@" "${skip[@]}" >"$report.log" 2>&1 || {
    tail -n 40 "$report.log" >&2
    exit 1
  }
}

with_passkeys=$(grep -rlE 'MemberAccount' src test)
# shellcheck disable=SC2086 # paths without spaces, one word each
add $with_passkeys 'test/invariants/*'
measure network

skip=()
# shellcheck disable=SC2046
add $(find src -name '*.sol' ! -name 'MemberAccount*') test/MemberAccountMessages.t.sol \
  $(find test -name '*.sol' ! -name 'MemberAccount*' ! -path 'test/kit/*')
measure accounts --ir-minimum

for file in $(grep -lE '^ *function ' src/*.sol); do
  grep -qx "SF:$file" "$target"/*.info || { echo "coverage: $file was not measured"; exit 1; }
done
awk -F '[:,]' -v minimum="$MINIMUM_PPM" '
  /^SF:/ { file = $2 }
  /^DA:/ { line = file ":" $2; if (!(line in seen)) { seen[line] = 1; lines[file]++; all++ }
           if ($3 > 0 && !(line in hit)) { hit[line] = 1; hits[file]++; reached++ } }
  END {
    for (file in lines) {
      missing = ""
      for (line in seen) if (index(line, file ":") == 1 && !(line in hit))
        missing = missing " " substr(line, length(file) + 2)
      printf "%7.2f %%  %s%s\n", 100 * hits[file] / lines[file], file,
        missing == "" ? "" : "  not reached:" missing | "sort -k3"
    }
    close("sort -k3")
    printf "%7.2f %%  of %d lines\n", 100 * reached / all, all
    if (reached * 1000000 < all * minimum) { print "coverage: below 98 %"; exit 1 }
  }' "$target"/network.info "$target"/accounts.info
