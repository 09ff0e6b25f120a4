#!/bin/sh
# build.sh [OUTDIR]
#
# Makes the .wasm files of the examples anew, into this folder or OUTDIR. They are in the repository, so nobody needs this to run
# them. Needs clang and lld (Debian), a Rust with the target wasm32-unknown-unknown (rustup), npm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "${1:-$here}" && cd "${1:-$here}" && pwd)
assemblyscript=0.28.20
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in clang wasm-ld rustc npm; do
  command -v "$tool" > /dev/null && continue
  echo "build.sh: missing: $tool" >&2
  echo 'remedy: apt-get install --no-install-recommends clang lld; rustup target add wasm32-unknown-unknown' >&2
  exit 1
done

# no standard library: nothing is imported, and the stack is small
clang --target=wasm32 -O2 -nostdlib -Wall -Wextra -Werror -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 \
  -o "$out/crc32.wasm" "$here/c/crc32.c"
rustc --target wasm32-unknown-unknown --edition 2024 --crate-type cdylib -C opt-level=s -C panic=abort -C strip=symbols \
  -C lto -C link-arg=-zstack-size=16384 -o "$out/collatz.wasm" "$here/rust/collatz.rs"
npm install --prefix "$work" --silent --no-audit --no-fund --ignore-scripts "assemblyscript@$assemblyscript"
# `abort` is the one thing it would import: a trap instead
"$work/node_modules/.bin/asc" "$here/assemblyscript/primes.ts" --outFile "$out/primes.wasm" -O3 --runtime stub --use abort=
