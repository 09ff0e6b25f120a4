#!/usr/bin/env bash
# build-iso.sh [--out FILE] [--json] [--again] [--bare BYTES]
#
# Builds the installable image (iso/) and prints its path. Needs root: live-build makes device nodes and mounts in a root of its
# own. The mirror is this machine's own apt configuration and stands nowhere in the image.
# Cached by content in ${XDG_CACHE_HOME:-~/.cache}/freehold/iso: builder-KEY/ (Debian 13 with live-build), work/ (downloaded
# packages), image-KEY.iso and image-KEY.epoch (its SOURCE_DATE_EPOCH). A second run is instant; --again builds the same once more,
# with the same epoch whatever was committed since, to compare;
# --bare an image of that size with nothing of ours, to measure against.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
export PATH="$root/node_modules/.bin:$PATH:/usr/sbin:/sbin"
out='' json=0 again='' bare=''
while (($# > 0)); do
  case $1 in
    --out)
      (($# > 1)) || {
        echo 'build-iso: --out needs a file' >&2
        exit 2
      }
      out=$2
      shift
      ;;
    --json) json=1 ;;
    --again) again=-again ;;
    --bare)
      [[ ${2:-} =~ ^[1-9][0-9]{7,9}$ ]] || {
        echo 'build-iso: --bare needs a size in bytes' >&2
        exit 2
      }
      bare=$2
      shift
      ;;
    *)
      echo 'Usage: build-iso.sh [--out FILE] [--json] [--again] [--bare BYTES]' >&2
      exit 2
      ;;
  esac
  shift
done
say() { echo "build-iso: $*" >&2; }
[[ $EUID == 0 ]] || {
  say 'needs root: live-build mounts proc and makes device nodes; run it with sudo'
  exit 1
}
missing=()
for need in mmdebstrap:mmdebstrap xorriso:xorriso unshare:util-linux unsquashfs:squashfs-tools; do
  command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
((${#missing[@]} == 0)) || {
  say "missing packages: ${missing[*]}"
  say "remedy: apt-get install --no-install-recommends ${missing[*]}"
  exit 1
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/iso
mkdir -p "$cache"
started=$SECONDS
phase() { say "$1 ($((SECONDS - started)) s)"; }

debs=() template_sha=''
if [[ -z $bare ]]; then
  phase 'packages of Freehold'
  packages=$(./scripts/build-deb.sh freehold freehold-web)
  mapfile -t debs <<<"$packages"
  phase 'guest image'
  template=$(./scripts/build-template.sh)
  template_sha=$(basename "$template" .qcow2)
fi

exec 9>"$cache/lock"
flock -n 9 || {
  say 'another build is running, waiting for it'
  flock 9
}
builder_key=$({
  cat iso/build/builder.sh iso/build/builder-packages.txt
  date -u +%Y-%m
} | sha256sum | cut -c1-16)
builder=$cache/builder-$builder_key
if [[ ! -e $builder ]]; then
  phase 'a Debian 13 root with live-build: two to four minutes'
  rm -rf "$builder.new"
  ./iso/build/builder.sh "$builder" 9>&-
fi

key=bare-$bare-$(sha256sum iso/build/prepare-bare.sh iso/config/package-lists/host.list.chroot | sha256sum | cut -c1-16)
[[ -n $bare ]] || key=$({
  # what goes into the image; how it is tested is no part of it
  find iso/build iso/config iso/installer iso/proxmox iso/units -type f -not -name '*.test.ts' -not -name prepare-bare.sh -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  sha256sum "${debs[@]}" | cut -d ' ' -f 1
  echo "$template_sha $builder_key ${SQUASH_LEVEL:-15}"
} | sha256sum | cut -c1-16)
image=$cache/image-$key$again.iso
# the commit's time is in the image and not in its key: an image without its epoch beside it could not be repeated
epoch=$cache/image-$key.epoch
[[ -z $again ]] || rm -f "$image"
if [[ ! -e $image || ! -e $epoch ]]; then
  work=$cache/work
  # what an interrupted build left; the downloads stay
  if [[ -d $work ]]; then find "$work" -mindepth 1 -maxdepth 1 -not -name cache -exec rm -rf {} +; fi
  mkdir -p "$work"
  if [[ -n $again && -e $epoch ]]; then
    SOURCE_DATE_EPOCH=$(cat "$epoch")
  else
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
  fi
  export SOURCE_DATE_EPOCH
  if [[ -n $bare ]]; then ./iso/build/prepare-bare.sh "$work" "$bare"; else ./iso/build/prepare.sh "$work" "$template" "${debs[@]}"; fi
  phase 'the image: three to ten minutes'
  # mounts of a build that dies end with its namespace
  if ! unshare --mount --propagation private --pid --fork --kill-child ./iso/build/in-builder.sh "$builder" "$work" 9>&- >"$cache/build.log" 2>&1; then
    tail -n 40 "$cache/build.log" >&2
    say "the whole log: $cache/build.log"
    exit 1
  fi
  ./iso/build/finish.sh "$work" "$image.new"
  # of the image that is repeated, not of the repetition
  if [[ -z $again || ! -e $epoch ]]; then echo "$SOURCE_DATE_EPOCH" >"$epoch"; fi
  mv "$image.new" "$image"
  phase 'done'
fi
touch "$image" "$epoch" "$builder"
find "$cache" -mindepth 1 -maxdepth 1 \( -name 'image-*' -o -name 'builder-*' \) -mtime +31 -exec rm -rf {} +
if [[ -n $out ]]; then
  cp "$image" "$out"
  image=$(readlink -f "$out")
fi
if ((json)); then
  printf '{"image":"%s","sha256":"%s","bytes":%s}\n' "$image" "$(sha256sum "$image" | cut -d ' ' -f 1)" "$(stat -c %s "$image")"
else
  echo "$image"
fi
