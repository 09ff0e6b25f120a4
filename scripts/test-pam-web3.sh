#!/usr/bin/env bash
# Format, clippy and unit tests of the Rust crates, as TAP lines; build output lies in the cache, outside the tree.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../pam-web3" || exit 1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/freehold/pam-web3/target}"
status=0

check() {
  local name=$1
  shift
  if "$@" >&2; then printf 'ok %s\n' "$name"; else
    printf 'not ok %s\n' "$name"
    status=1
  fi
}

# Debian's own toolchain comes without these two
if cargo fmt --version >/dev/null 2>&1; then check 'rustfmt' cargo fmt --check; else printf 'ok rustfmt # SKIP not part of this toolchain\n'; fi
if cargo clippy --version >/dev/null 2>&1; then
  check 'clippy' cargo clippy --locked --all-targets -- -D warnings
else
  printf 'ok clippy # SKIP not part of this toolchain\n'
fi
# each test of the runner becomes a line of its own
if ! cargo test --locked 2>&1 | tee /dev/stderr | sed -nE 's/^test (.*) \.\.\. ok$/ok \1/p; s/^test (.*) \.\.\. FAILED$/not ok \1/p; s/^test (.*) \.\.\. ignored.*$/ok \1 # SKIP/p'; then
  status=1
fi
exit "$status"
