#!/bin/sh
# Tests of pam-web3/ that need no other process: format, lints, unit tests, golden vectors, property tests, fuzzing (15 s a target,
# 60 s with FREEHOLD_ALL=1, two at a time). Prints TAP, a line a test.
# What needs a real sshd stands in pam-web3/tests/*.int.test.ts.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/pam-web3
mkdir -p "$cache"
CARGO_TARGET_DIR=$cache/target
export CARGO_TARGET_DIR
cd "$here/pam-web3" || exit 1
failed=0

check() { # check NAME COMMAND…: one test
  name=$1
  shift
  if output=$("$@" 2>&1); then
    echo "ok - $name"
  else
    failed=1
    echo "not ok - $name"
    echo "$output" | sed 's/^/# /'
  fi
}
check 'cargo fmt' cargo fmt --all --check
check 'cargo clippy' cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

output=$(cargo test --workspace --locked --quiet -- --format=pretty 2>&1) || failed=1
# `test NAME ... ok` of each binary becomes a line of TAP; anything else that went wrong is shown below.
echo "$output" | sed -n -e 's/^test \(.*\) \.\.\. ok$/ok - \1/p' -e 's/^test \(.*\) \.\.\. FAILED$/not ok - \1/p' -e 's/^test \(.*\) \.\.\. ignored.*$/ok - \1 # SKIP/p'
[ "$failed" = 0 ] || echo "$output" | sed 's/^/# /' >&2

check 'cargo fmt of the fuzz targets' cargo fmt --manifest-path fuzz/Cargo.toml --check
seconds=15
[ "${FREEHOLD_ALL:-}" != 1 ] || seconds=60
"$here/scripts/fuzz-pam-web3.sh" "$seconds" || failed=1
exit "$failed"
