#!/bin/sh
# Tests of pam-web3/ that need no other process: format, lints, unit tests, golden vectors, property tests, fuzzing (15 s a target,
# 60 s with FREEHOLD_ALL=1, all at once). Prints TAP, a line a test.
# What needs a real sshd stands in pam-web3/tests/*.int.test.ts. What they and the fuzzing need is compiled meanwhile: a compiler's
# last steps take one core each.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/pam-web3
mkdir -p "$cache"
# each tells on its own what is wrong, when it is asked again below
"$here/scripts/build-pam-web3.sh" > /dev/null 2>&1 &
package=$!
"$here/scripts/fuzz-pam-web3.sh" 0 > /dev/null 2>&1 &
fuzzers=$!
CARGO_TARGET_DIR=$cache/target
CARGO_INCREMENTAL=0
export CARGO_TARGET_DIR CARGO_INCREMENTAL
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
# Where clippy is of the compiler's own release it compiles the tests that are then run: `cargo clippy` reads every dependency once
# more by itself. What it tells to its driver stands in these two (rust-clippy, src/main.rs): the first check shows that by them a
# lint fails.
if [ "$(clippy-driver rustc -vV 2>/dev/null)" = "$(rustc -vV)" ]; then
  export RUSTC_WORKSPACE_WRAPPER=clippy-driver
  export CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
  said=$(echo 'pub fn a(x: &Vec<u8>) -> usize { x.len() }' |
    clippy-driver rustc --crate-type lib --emit metadata --out-dir "$cache" - 2>&1)
  check 'a lint of clippy is an error' test "${said#*-D clippy::ptr-arg}" != "$said"
  check 'cargo clippy, and the tests compile' cargo test --workspace --all-targets --locked --quiet --no-run
else
  check 'cargo clippy' cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
fi

output=$(cargo test --workspace --all-targets --locked --quiet -- --format=pretty 2>&1) || failed=1
# `test NAME ... ok` of each binary becomes a line of TAP; anything else that went wrong is shown below.
echo "$output" | sed -n -e 's/^test \(.*\) \.\.\. ok$/ok - \1/p' -e 's/^test \(.*\) \.\.\. FAILED$/not ok - \1/p' -e 's/^test \(.*\) \.\.\. ignored.*$/ok - \1 # SKIP/p'
[ "$failed" = 0 ] || echo "$output" | sed 's/^/# /' >&2

unset RUSTC_WORKSPACE_WRAPPER CLIPPY_ARGS
wait "$package"
check 'the package builds' "$here/scripts/build-pam-web3.sh"
wait "$fuzzers"
check 'cargo fmt of the fuzz targets' cargo fmt --manifest-path fuzz/Cargo.toml --check
seconds=15
[ "${FREEHOLD_ALL:-}" != 1 ] || seconds=60
"$here/scripts/fuzz-pam-web3.sh" "$seconds" || failed=1
exit "$failed"
