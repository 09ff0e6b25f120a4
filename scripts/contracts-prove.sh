#!/usr/bin/env bash
# Proves the money rules by the compiler's SMT checker (contracts/proofs). Prints TAP. Runs in `./scripts/test.sh --all`.
# Its solver z3 (MIT) comes from PyPI into an environment of its own below the cache.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
version=5.4.0.0
environment="${XDG_CACHE_HOME:-$HOME/.cache}/freehold/z3-$version"
export PATH="$PWD/node_modules/.bin:$PATH"

if [[ ! -x $environment/bin/z3 ]]; then
  # whole or not at all: what a killed install left behind is begun anew (an environment cannot be moved)
  rm -rf "$environment"
  mkdir -p "${environment%/*}"
  python3 -m venv "$environment" || {
    printf 'python3 with its module venv is needed: apt-get install python3-venv\n' >&2
    exit 1
  }
  "$environment/bin/pip" --quiet install "z3-solver==$version" || {
    rm -rf "$environment"
    exit 1
  }
fi
node contracts/proofs/prove.ts "$environment/bin/z3"
