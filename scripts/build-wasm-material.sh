#!/bin/sh
# build-wasm-material.sh
#
# Makes what the tests of WASM hosting are fed with: the official WebAssembly spec tests and random modules, by a generator from
# the crates registry. Prints the folder that holds `spec/` and `smith/`, on stdout and alone.
# Cached by content in ${XDG_CACHE_HOME:-$HOME/.cache}/freehold/wasm-material/KEY; a second run is instant, a cold one takes
# about a minute on two cores.
#   FREEHOLD_SMITH_SEED  first seed of the random modules, for other ones than CI's (default 1)
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
source=$here/testing/wasm/material
seed=${FREEHOLD_SMITH_SEED:-1}
modules=1000
say() { echo "build-wasm-material: $*" >&2; }
for tool in cargo cc; do
  command -v "$tool" > /dev/null && continue
  say "missing: $tool"
  say 'remedy: apt-get install --no-install-recommends cargo-web rustc-web gcc libc6-dev'
  exit 1
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/wasm-material
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
key=$( (
  cd "$source"
  rustc --version
  echo "$modules $seed"
  sha256sum < "$here/scripts/build-wasm-material.sh"
  find Cargo.toml Cargo.lock src -type f | LC_ALL=C sort | xargs sha256sum
) | sha256sum | cut -d' ' -f1)
made=$cache/$key
if [ ! -e "$made" ]; then
  say 'compiling the generator, about a minute'
  CARGO_TARGET_DIR=$cache/target cargo build --manifest-path "$source/Cargo.toml" --release --locked --quiet >&2 9>&-
  rm -rf "$made.part"
  mkdir -p "$made.part/spec" "$made.part/smith"
  "$cache/target/release/wasm-material" spec "$made.part/spec" > "$made.part/files"
  "$cache/target/release/wasm-material" smith "$made.part/smith" "$modules" "$seed" > "$made.part/modules"
  mv "$made.part" "$made"
fi
touch "$made"
find "$cache" -mindepth 1 -maxdepth 1 -type d -name '????????????????????????????????????????????????????????????????' -mtime +31 -exec rm -rf {} +
echo "$made"
