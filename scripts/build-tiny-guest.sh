#!/bin/sh
# build-tiny-guest.sh [--json]
#
# Builds the tiny guest for tests of drivers (template-vm/tiny/) and prints the path of its qcow2, or with --json
# {"image", "sha256"}. Its kernel and busybox come from the template's Debian base. Cached by content beside it.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
recipe=$here/template-vm
PATH=$PATH:/usr/sbin:/sbin
export PATH
umask 022
json=
case ${1:-} in
  '') ;;
  --json) json=1 ;;
  *) echo "build-tiny-guest: unknown argument $1; usage: build-tiny-guest.sh [--json]" >&2; exit 2 ;;
esac

base=$("$here/scripts/build-template.sh" --base)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/template
exec 9> "$cache/tiny.lock"
flock 9
key=$( (basename "$(dirname "$base")"; cd "$recipe" && sha256sum recipe/disk.sh tiny/*) | sha256sum | cut -c1-16)
stage=$cache/tiny-$key
if [ ! -e "$stage/done" ]; then
  echo 'build-tiny-guest: building' >&2
  rm -rf "$stage"
  mkdir "$stage"
  "$recipe/tiny/build.sh" "$base" "$stage"
  "$recipe/recipe/disk.sh" "$stage/root.ext4" "$stage" "$stage/disk.qcow2"
  sha=$(sha256sum "$stage/disk.qcow2" | cut -d' ' -f1)
  mv "$stage/disk.qcow2" "$stage/$sha.qcow2"
  find "$stage" -type f ! -name '*.qcow2' -delete
  echo "$sha" > "$stage/done"
fi
touch "$stage"
sha=$(cat "$stage/done")
if [ -n "$json" ]; then printf '{"image":"%s","sha256":"%s"}\n' "$stage/$sha.qcow2" "$sha"; else echo "$stage/$sha.qcow2"; fi
