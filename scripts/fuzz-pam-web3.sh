#!/bin/sh
# fuzz-pam-web3.sh [SECONDS]
#
# Fuzzes the parsers of pam-web3/ and its decision, guided by coverage (libFuzzer), each target SECONDS (default 15), all at once,
# from the corpus in pam-web3/fuzz/corpus. Prints TAP, a line a target; an input that breaks one is kept and named. 0 seconds: builds.
# It runs on stable Rust: the coverage is LLVM's own pass. What it lacks is the address sanitizer, which takes a nightly
# compiler; core/ forbids unsafe code and what is fuzzed of client/ has none, so an out-of-bounds access is a panic.
#   FREEHOLD_FUZZ_GROW=1  adds the inputs that reached new code to the corpus in the tree
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-15}
fuzz=$here/pam-web3/fuzz
cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/pam-web3-fuzz
mkdir -p "$cache"
target=x86_64-unknown-linux-gnu
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
RUSTFLAGS="$RUSTFLAGS -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
export RUSTFLAGS
if ! built=$(CARGO_TARGET_DIR=$cache/target cargo build --manifest-path "$fuzz/Cargo.toml" --locked --release --quiet --target "$target" 2>&1); then
  echo 'not ok - the fuzz targets compile'
  echo "$built" | sed 's/^/# /'
  exit 1
fi
[ "$seconds" != 0 ] || exit 0
echo 'ok - the fuzz targets compile'

run() { # run NAME: one target, its output into the cache
  name=$1
  work=$cache/run-$name
  rm -rf "$work"
  mkdir -p "$work/found" "$work/artifacts"
  corpus=$fuzz/corpus/$name
  [ "${FREEHOLD_FUZZ_GROW:-}" = 1 ] && first=$corpus || first=$work/found
  "$cache/target/$target/release/$name" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$work/artifacts/" "$first" "$corpus" > "$work/log" 2>&1
  echo $? > "$work/code"
}
failed=0
tell() { # tell NAME: its line of TAP
  work=$cache/run-$1
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
  # a fuzzer that ran nothing, or saw no code, has proven nothing
  if [ "$(cat "$work/code")" = 0 ] && [ "${runs:-0}" -gt 1000 ] && [ "${cover:-0}" -gt 100 ]; then
    echo "ok - fuzz $1: $runs inputs, $cover edges, ${seconds} s"
  else
    failed=1
    echo "not ok - fuzz $1 (inputs kept in $work/artifacts)"
    tail -n 40 "$work/log" | sed 's/^/# /'
  fi
}
for name in wire approval seed person; do run "$name" & done
wait
for name in wire approval seed person; do tell "$name"; done
exit "$failed"
