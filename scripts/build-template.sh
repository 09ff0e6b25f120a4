#!/bin/sh
# build-template.sh [--out DIR] [--root | --base] [--json]
#
# Builds the guest image (template-vm/) and prints its path. Root is not needed; without root it works in a user
# namespace (uidmap, a line in /etc/subuid).
#   --out DIR  also puts the image there, as SHA256.qcow2
#   --root     prints the path of the customised root's tar instead
#   --base     stops at the plain Debian base and prints the path of its tar
#   --json     prints {"image", "sha256", "root"} instead
# Cached by content in ${XDG_CACHE_HOME:-$HOME/.cache}/freehold/template: base-KEY/ (plain Debian; renewed
# each month for its security updates) and image-KEY/ (base + recipe + pam-web3). A second run is instant.
# FREEHOLD_PAM_WEB3_DEB names a package to take instead of building one.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
recipe=$here/template-vm
PATH=$PATH:/usr/sbin:/sbin
export PATH
umask 022

out=
root_only=
base_only=
json=
while [ $# -gt 0 ]; do
  case $1 in
    --out) [ $# -ge 2 ] || { echo 'build-template: --out needs a folder' >&2; exit 2; }; out=$2; shift ;;
    --root) root_only=1 ;;
    --base) base_only=1 ;;
    --json) json=1 ;;
    *) echo "build-template: unknown argument $1; usage: build-template.sh [--out DIR] [--root | --base] [--json]" >&2; exit 2 ;;
  esac
  shift
done

say() { echo "build-template: $*" >&2; }
need() { # need COMMAND-OR-FILE PACKAGE
  case $1 in
    /*) [ -e "$1" ] ;;
    *) command -v "$1" > /dev/null ;;
  esac || missing="${missing:-} $2"
}
need mmdebstrap mmdebstrap
need unshare util-linux
need sfdisk fdisk
need mke2fs e2fsprogs
need mformat mtools
need qemu-img qemu-utils
need grub-mkimage grub-common
need /usr/lib/grub/i386-pc/boot.img grub-pc-bin
need /usr/lib/grub/x86_64-efi/moddep.lst grub-efi-amd64-bin
need /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
[ "$(id -u)" = 0 ] || need newuidmap uidmap
if [ -n "${missing:-}" ]; then
  say "missing packages:$missing"
  say "remedy: apt-get install --no-install-recommends$missing"
  exit 1
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/template
mkdir -p "$cache"
exec 9> "$cache/lock"
flock -n 9 || { say 'another build is running, waiting for it'; flock 9; }

key_of() { sha256sum | cut -c1-16; }
started=$(date +%s)
elapsed() { echo "$(($(date +%s) - started)) s"; }

base_key=$( (cat "$recipe/packages.txt" "$recipe/recipe/base.sh"; date -u +%Y-%m) | key_of)
base=$cache/base-$base_key
if [ ! -e "$base/base.tar" ]; then
  say 'Debian base: downloading and unpacking, one to three minutes'
  rm -rf "$base"
  mkdir "$base"
  TMPDIR=$base "$recipe/recipe/base.sh" "$recipe/packages.txt" "$base/base.tar" >&2 9>&-
  say "Debian base: done after $(elapsed)"
fi
touch "$base"
if [ -n "$base_only" ]; then echo "$base/base.tar"; exit; fi

# The package of the PAM module and the guest helper: named by the environment, else built. A failure of its build is
# ours: an image without it would be taken for one with it.
pam_web3_deb() {
  if [ -n "${FREEHOLD_PAM_WEB3_DEB:-}" ]; then
    echo "$FREEHOLD_PAM_WEB3_DEB"
  elif [ -x "$here/scripts/build-pam-web3.sh" ]; then
    printed=$("$here/scripts/build-pam-web3.sh" 9>&-) || { say 'pam-web3 could not be built'; return 1; }
    printf '%s\n' "$printed" | tail -n 1
  fi
}
deb=$(pam_web3_deb)
[ -z "$deb" ] || [ -r "$deb" ] || { say "cannot read the package $deb"; exit 1; }
[ -n "$deb" ] || say 'building without pam-web3'

image_key=$( (
  echo "$base_key"
  cd "$recipe" && find enabled-units.txt files recipe -type f | LC_ALL=C sort | xargs sha256sum
  [ -z "$deb" ] || sha256sum < "$deb"
) | key_of)
stage=$cache/image-$image_key
if [ ! -e "$stage/done" ]; then
  say 'guest root: customising'
  rm -rf "$stage" 2> /dev/null || "$recipe/recipe/as-root.sh" rm -rf "$stage"
  mkdir "$stage"
  "$recipe/recipe/as-root.sh" "$recipe/recipe/customise.sh" "$base/base.tar" "$stage" ${deb:+"$deb"} 9>&-
  say "image: writing, after $(elapsed)"
  "$recipe/recipe/disk.sh" "$stage/root.ext4" "$stage" "$stage/disk.qcow2"
  sha=$(sha256sum "$stage/disk.qcow2" | cut -d' ' -f1)
  mv "$stage/disk.qcow2" "$stage/$sha.qcow2"
  rm -f "$stage/root.ext4" "$stage/early.cfg" "$stage/core.img" "$stage/boot.img" "$stage/bootx64.efi"
  echo "$sha" > "$stage/done"
  say "image: done after $(elapsed)"
fi
touch "$stage"
# Stages nobody asked for in a month go.
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +31 -exec rm -rf {} +

sha=$(cat "$stage/done")
image=$stage/$sha.qcow2
root=$stage/root.tar
if [ -n "$out" ] && [ -z "$root_only" ]; then
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  [ -e "$out/$sha.qcow2" ] || { cp "$image" "$out/$sha.qcow2.new" && mv "$out/$sha.qcow2.new" "$out/$sha.qcow2"; }
  image=$out/$sha.qcow2
fi
if [ -n "$json" ]; then printf '{"image":"%s","sha256":"%s","root":"%s"}\n' "$image" "$sha" "$root"
elif [ -n "$root_only" ]; then echo "$root"
else echo "$image"
fi
