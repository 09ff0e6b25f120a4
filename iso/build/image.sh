#!/bin/sh
# image.sh WORK: runs in the builder's root, called by scripts/build-iso.sh. WORK/config and WORK/mirror are ready; leaves
# WORK/live-image-amd64.hybrid.iso. SOURCE_DATE_EPOCH is set.
set -eu
cd "$1"
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
# shellcheck source=/dev/null
. ./mirror
security=${MIRROR_SECURITY:-}
# once, with all of them: a second call mixes old and new
lb config noauto \
  --mode debian --distribution trixie --architectures amd64 --archive-areas main \
  --mirror-bootstrap "$MIRROR" --mirror-chroot "$MIRROR" --mirror-chroot-security "${security:-$MIRROR}" \
  --mirror-binary "$MIRROR" --mirror-binary-security "${security:-$MIRROR}" \
  --security "$([ -n "$security" ] && echo true || echo false)" --updates true \
  --debian-installer none --memtest none --apt-recommends false --apt-indices false --apt-source-archives false --zsync false \
  --bootloaders 'grub-pc grub-efi' --uefi-secure-boot enable --binary-images iso-hybrid \
  --bootappend-live 'boot=live noeject console=ttyS0,115200 console=tty0' \
  --firmware-chroot false --firmware-binary false --linux-packages linux-image --initramfs live-boot --win32-loader false \
  --chroot-squashfs-compression-type zstd --chroot-squashfs-compression-level "${SQUASH_LEVEL:-15}" \
  --iso-volume FREEHOLD_INSTALL --iso-publisher Freehold --iso-application 'Freehold installer' \
  --cache true --cache-packages true --cache-stages bootstrap --checksums none --image-name live-image
# live-config makes a user with a known password
rm -f config/package-lists/live.list.chroot
# the build machine's mirror is no host's: the installer writes Debian's own names
mkdir -p config/rootfs
# and apt's index of its lists, made anew where it is needed, holds bytes that differ from build to build
printf '%s\n' etc/apt/sources.list var/cache/apt/pkgcache.bin var/cache/apt/srcpkgcache.bin > config/rootfs/excludes
lb build
