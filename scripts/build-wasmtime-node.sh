#!/bin/sh
# build-wasmtime-node.sh [OUTDIR]
#
# Builds the addon of appliance/wasmtime-node from the crates registry and the launcher beside it, puts both into that package's
# build/ folder and prints the path of the addon, on stdout and alone.
#   OUTDIR  also puts them there (the prebuilt artifact of a release)
# Cached by content in ${XDG_CACHE_HOME:-$HOME/.cache}/freehold/wasmtime-node/KEY; a second run is instant, a cold one takes
# two to seven minutes on two cores.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
source=$here/appliance/wasmtime-node/native
out=${1:-}
say() { echo "build-wasmtime-node: $*" >&2; }
for tool in cargo cc; do
  command -v "$tool" > /dev/null && continue
  say "missing: $tool"
  say 'remedy: apt-get install --no-install-recommends cargo-web rustc-web gcc libc6-dev'
  exit 1
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/wasmtime-node
mkdir -p "$cache"
exec 9> "$cache/lock"
flock -n 9 || { say 'another build is running, waiting for it'; flock 9; }

key=$( (
  cd "$source"
  rustc --version
  sha256sum < "$here/scripts/build-wasmtime-node.sh"
  find Cargo.toml Cargo.lock build.rs src -type f | LC_ALL=C sort | xargs sha256sum
) | sha256sum | cut -d' ' -f1)
made=$cache/$key/wasmtime-node.node
launcher=$cache/$key/confine
if [ ! -e "$made" ]; then
  say 'compiling the engine, two to seven minutes'
  CARGO_TARGET_DIR=$cache/target cargo build --manifest-path "$source/Cargo.toml" --release --locked --quiet >&2 9>&-
  mkdir -p "$cache/$key"
  cp "$cache/target/release/confine" "$launcher"
  cp "$cache/target/release/libwasmtime_node.so" "$made.part"
  mv "$made.part" "$made"
fi
touch "$cache/$key"
# Builds nobody asked for in a month go.
find "$cache" -mindepth 1 -maxdepth 1 -type d -name '????????????????????????????????????????????????????????????????' -mtime +31 -exec rm -rf {} +

machine=$(node -p 'process.platform + "-" + process.arch')
for folder in "$here/appliance/wasmtime-node/build" ${out:+"$out"}; do
  mkdir -p "$folder"
  # a process may have the former one loaded: never write into it
  cp "$made" "$folder/.part" && mv "$folder/.part" "$folder/wasmtime-node.$machine.node"
  cp "$launcher" "$folder/.part" && mv "$folder/.part" "$folder/confine.$machine"
done
echo "$here/appliance/wasmtime-node/build/wasmtime-node.$machine.node"
