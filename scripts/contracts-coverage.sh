#!/usr/bin/env bash
# Prints the coverage of contracts/src and fails on a line that no test runs and contracts/uncovered.txt does not name with
# its reason, and on a name there that is none. Prints TAP. Runs in `./scripts/test.sh --all`.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
root=$PWD
export PATH="$root/node_modules/.bin:$PATH"
# another profile would only repeat the same lines more often
export FOUNDRY_PROFILE=default

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# a copy: coverage builds without the optimiser, and another run may be using the output here
mkdir "$copy/contracts"
cp -a contracts/bin contracts/deploy contracts/foundry.toml contracts/lib contracts/src contracts/test contracts/package.json \
  "$copy/contracts/"
ln -s "$root/node_modules" "$copy/node_modules"
# gas is another one there
if ! (cd "$copy/contracts" && forge coverage --ir-minimum --no-match-contract GasTest --report lcov --report-file "$copy/lcov.info" \
  >"$copy/log" 2>&1); then
  tail -n 60 "$copy/log" >&2
  printf 'not ok 1 - the tests ran under coverage\n'
  exit 1
fi
node contracts/coverage.ts "$copy/lcov.info"
