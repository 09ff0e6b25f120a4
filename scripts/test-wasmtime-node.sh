#!/bin/sh
# Builds the addon of appliance/wasmtime-node, which its tests and the hosting service load, and checks its format. Prints TAP.
# With FREEHOLD_ALL=1 clippy as well: it reads the whole engine once more, minutes that the default run has not.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
CARGO_TARGET_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/wasmtime-node/target
export CARGO_TARGET_DIR
cd "$here/appliance/wasmtime-node/native" || exit 1
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
check 'wasmtime-node: cargo fmt' cargo fmt --check
check 'wasmtime-node: build' "$here/scripts/build-wasmtime-node.sh"
[ "${FREEHOLD_ALL:-0}" != 1 ] || check 'wasmtime-node: cargo clippy' cargo clippy --release --locked --quiet -- -D warnings
# against the database of advisories, where the tool is installed: it is no part of the toolchain, and needs the network
if [ "${FREEHOLD_ALL:-0}" = 1 ] && command -v cargo-audit > /dev/null; then
  check 'wasmtime-node: cargo audit' cargo audit --deny warnings
fi
exit "$failed"
