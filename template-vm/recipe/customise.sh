#!/bin/sh
# customise.sh BASE.tar WORK [PAM_WEB3.deb]: makes WORK/root.tar, the root of the guest, and WORK/root.ext4.
# Runs under as-root.sh.
set -eu
recipe=$(cd "$(dirname "$0")/.." && pwd)
base=$1
work=$2
deb=${3:-}
root=$work/root
mkdir "$root"
tar -C "$root" --numeric-owner --exclude='./dev/*' -xpf "$base"
for pseudo in dev proc sys; do mount --rbind "/$pseudo" "$root/$pseudo"; done

tar -C "$recipe/files" --owner=0 --group=0 --mode='u=rwX,go=rX' -cf - . | tar -C "$root" --no-overwrite-dir -xpf -
cp "$recipe/enabled-units.txt" "$root/tmp/enabled-units.txt"
cp "$recipe/recipe/in-root.sh" "$root/tmp/in-root.sh"
[ -z "$deb" ] || cp "$deb" "$root/tmp/pam-web3.deb"
chroot "$root" env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -eu /tmp/in-root.sh > "$work/in-root.log" 2>&1 ||
  { tail -n 30 "$work/in-root.log" >&2; exit 1; }
rm -f "$root/tmp/"*

for pseudo in dev proc sys; do umount --lazy "$root/$pseudo"; done
tar -C "$root" --numeric-owner --sort=name -cf "$work/root.tar" .
# Features that GRUB of Debian 12 cannot read are left out: metadata_csum_seed and orphan_file.
used=$(du -sm --apparent-size "$root" | cut -f1)
size=$((used * 5 / 4 + 128))
[ "$size" -ge 1007 ] || size=1007
truncate -s "${size}M" "$work/root.ext4"
mke2fs -q -t ext4 -L root -m 1 -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=0,lazy_journal_init=0 -J size=16 -d "$root" "$work/root.ext4"
rm -rf "$root"
