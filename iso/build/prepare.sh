#!/bin/sh
# prepare.sh WORK TEMPLATE DEB...: lays out live-build's configuration of iso/config, the packages and the guest image.
set -eu
here=$(dirname "$(readlink -f "$0")")
iso=$(dirname "$here")
work=$1 template=$2
shift 2
config=$work/config
mkdir -p "$config/package-lists" "$config/hooks/normal" "$config/includes.chroot_after_packages" "$config/packages.chroot" "$config/bootloaders"
cp "$iso"/config/package-lists/*.list.chroot "$config/package-lists/"
cp "$iso"/config/hooks/*.hook.* "$config/hooks/normal/"
cp -r "$iso"/config/includes/. "$config/includes.chroot_after_packages/"
cp -r "$iso"/config/bootloaders/. "$config/bootloaders/"
for deb in "$@"; do cp "$deb" "$config/packages.chroot/$(basename "$deb" .deb)_0_amd64.deb"; done
target=$config/includes.chroot_after_packages
# the installer and the units of the image
mkdir -p "$target/opt/freehold/iso/installer" "$target/opt/freehold/iso/proxmox" "$target/usr/lib/systemd/system" "$target/usr/share/freehold"
for part in installer proxmox; do
  for file in "$iso/$part"/*.ts; do case $file in *.test.ts) ;; *) cp "$file" "$target/opt/freehold/iso/$part/" ;; esac; done
done
cp "$iso"/units/*.service "$target/usr/lib/systemd/system/"
printf '%s\n' "$SOURCE_DATE_EPOCH" > "$target/usr/share/freehold/built"
# the guest image, named by its content
mkdir -p "$target/usr/share/freehold/templates"
cp "$template" "$target/usr/share/freehold/templates/"
# the medium's sums are signed by a key of this build machine, made once: the same key gives the same image
keys=${XDG_CONFIG_HOME:-$HOME/.config}/freehold
if [ ! -s "$keys/medium.key" ]; then
  (umask 077 && mkdir -p "$keys" && openssl genpkey -algorithm ed25519 -out "$keys/medium.key")
fi
install -m 0600 "$keys/medium.key" "$work/medium.key"
openssl pkey -in "$keys/medium.key" -pubout -out "$target/usr/share/freehold/medium.pub"
main=$("$here/mirror.sh" main) security=$("$here/mirror.sh" security)
printf "MIRROR='%s'\nMIRROR_SECURITY='%s'\n" "$main" "$security" > "$work/mirror"
cp "$here/image.sh" "$work/image.sh"
