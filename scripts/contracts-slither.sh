#!/usr/bin/env bash
# Asks slither about contracts/src and fails on each finding that is not answered in the code, by
# `// slither-disable-next-line <detector>` with the reason above it. Prints one TAP line. Runs in `./scripts/test.sh --all`.
# slither (AGPL-3.0) is only run, from an environment of its own below the cache.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
root=$PWD
version=0.11.6
environment="${XDG_CACHE_HOME:-$HOME/.cache}/freehold/slither-$version"
export PATH="$root/node_modules/.bin:$PATH"

if [[ ! -x $environment/bin/slither ]]; then
  # whole or not at all: what a killed install left behind is begun anew (an environment cannot be moved)
  rm -rf "$environment"
  mkdir -p "${environment%/*}"
  python3 -m venv "$environment" || {
    printf 'python3 with its module venv is needed: apt-get install python3-venv\n' >&2
    exit 1
  }
  "$environment/bin/pip" --quiet install "slither-analyzer==$version" || {
    rm -rf "$environment"
    exit 1
  }
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# without `pragma`: each library names its own range of compilers
# a copy: slither cleans and builds, and another run may be using the output here
mkdir "$copy/contracts"
cp -a contracts/bin contracts/foundry.toml contracts/lib contracts/src contracts/package.json "$copy/contracts/"
mkdir "$copy/contracts/test"
ln -s "$root/node_modules" "$copy/node_modules"
if ! (cd "$copy/contracts" && "$environment/bin/slither" . --json "$copy/found.json" --exclude pragma --fail-none >"$copy/log" 2>&1); then
  tail -n 40 "$copy/log" >&2
  printf 'not ok 1 - slither ran\n'
  exit 1
fi
node contracts/slither-findings.ts "$copy/found.json"
