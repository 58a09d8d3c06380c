#!/usr/bin/env bash
# Static analysis of the contracts: fails where slither finds something that docs/reference/slither.md
# does not answer, and where an answer has lost its finding.
#
# Slither has an environment of its own, installed at the first run from the locked requirements. It
# reads what forge compiled with the compiler from npm; it compiles nothing itself.
set -euo pipefail

cd "$(dirname "$0")/.."
environment=.tools/slither
target=build/slither
locked=requirements/slither.txt

if [ ! "$environment/.stamp" -nt "$locked" ]; then
  echo "installing slither" >&2
  "${PYTHON:-python3}" -m venv "$environment"
  "$environment/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
    -r "$locked"
  touch "$environment/.stamp"
fi

# Slither asks a command called forge where the sources are.
mkdir -p "$target/bin"
ln -sfn "$PWD/contracts/forge-npm" "$target/bin/forge"
export PATH="$PWD/$target/bin:$PATH"
export FOUNDRY_OUT="../$target/out" FOUNDRY_CACHE_PATH="../$target/cache"

rm -rf "$target/out" "$target/cache" "$target/report.json" # an old build would be read too
contracts/forge-npm build src --build-info >"$target/build.log" 2>&1 || {
  cat "$target/build.log" >&2
  exit 1
}

# Slither takes a function called `value` or `gas` for the call options of Solidity before 0.7, and
# then gives up on whoever calls it; `Policy.value` is such a function, and the options are gone.
(cd contracts && "../$environment/bin/python" -c '
import slither.slithir.convert as convert
from slither.__main__ import main
convert.is_value = convert.is_gas = lambda instruction: False
main()
' . --ignore-compile --compile-force-framework foundry \
  --foundry-out-directory "../$target/out" \
  --filter-paths 'lib/,node_modules/,src/test-assets/' \
  --json "../$target/report.json" --fail-none --disable-color) >"$target/slither.log" 2>&1 || {
  tail -n 40 "$target/slither.log" >&2
  exit 1
}

"$environment/bin/python" scripts/check_slither.py "$target/report.json" "$target/slither.log"
