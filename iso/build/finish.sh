#!/bin/sh
# finish.sh WORK OUT: takes the image live-build left, and refuses one that names the mirror of the build machine.
set -eu
work=$1 out=$2
# shellcheck source=/dev/null
. "$work/mirror"
image=$work/live-image-amd64.hybrid.iso
[ -s "$image" ] || { echo 'build-iso: live-build ended well and left no image' >&2; exit 1; }
host=$(printf '%s' "$MIRROR" | sed 's#^[a-z]*://##; s#[/:].*##')
if [ "$host" != deb.debian.org ] && grep -rIlF -- "$host" "$work/chroot/etc" "$work/chroot/var/lib" "$work/chroot/var/log" "$work/chroot/usr/share/freehold" 2> /dev/null | grep -q .; then
  echo "build-iso: the image names this machine's mirror" >&2
  exit 1
fi
rm -f "$work/medium.key"
mv "$image" "$out"
