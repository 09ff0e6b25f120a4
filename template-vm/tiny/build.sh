#!/bin/sh
# build.sh BASE.tar WORK: makes WORK/root.ext4 of the tiny guest, out of the kernel, modules and busybox of the base.
# Needs no rights: every file of it may belong to whoever builds, since only root lives in it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
base=$1
work=$2

from=$work/from
mkdir "$from"
tar -C "$from" --wildcards -xf "$base" './boot/vmlinuz-*' './usr/lib/modules/*' './usr/bin/busybox'
version=$(ls "$from/usr/lib/modules")
modules=$from/usr/lib/modules/$version

initrd=$work/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/sys" "$initrd/root" "$initrd/modules"
cp "$from/usr/bin/busybox" "$initrd/bin/"
ln -s busybox "$initrd/bin/sh"
install -m 755 "$here/initrd-init" "$initrd/init"

# add MODULE…: each after all that modules.dep says it needs (listed there nearest first).
add() {
  for module; do
    line=$(grep "/$(echo "$module" | sed 's/[-_]/[-_]/g')\.ko[^:]*:" "$modules/modules.dep")
    for file in $(echo "$line" | tr -d ':' | tr ' ' '\n' | tac); do
      name=$(basename "$file" .xz)
      grep -qsx "$name" "$initrd/modules/always" && continue
      "$from/usr/bin/busybox" xzcat "$modules/$file" > "$initrd/modules/$name"
      echo "$name" >> "$initrd/modules/always"
    done
  done
}
add virtio_blk virtio_net virtio_rng evdev button pvpanic-mmio
(cd "$initrd" && find . | LC_ALL=C sort | "$from/usr/bin/busybox" cpio -o -H newc 2> /dev/null | gzip -9) > "$work/initrd.img"

root=$work/root
mkdir -p "$root/bin" "$root/sbin" "$root/boot/grub" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp" "$root/data" "$root/etc/acpi/PWRF" "$root/etc/commands"
cp "$from/boot/vmlinuz-$version" "$root/vmlinuz"
cp "$work/initrd.img" "$root/initrd.img"
cp "$here/grub.cfg" "$root/boot/grub/grub.cfg"
cp "$from/usr/bin/busybox" "$root/bin/"
"$root/bin/busybox" --list | grep -vx busybox | while read -r applet; do ln -s busybox "$root/bin/$applet"; done
ln -s ../bin/busybox "$root/sbin/init"
cp "$here/inittab" "$root/etc/inittab"
install -m 755 "$here/boot" "$here/dhcp" "$here/banner" "$here/console" "$here/agent" "$root/etc/"
install -m 755 "$here/panic" "$root/etc/commands/panic"
install -m 755 "$here/power-button" "$root/etc/acpi/PWRF/00000080"
printf 'root:x:0:0:root:/:/bin/sh\n' > "$root/etc/passwd"

truncate -s 40M "$work/root.ext4"
mke2fs -q -t ext4 -L root -m 0 -O ^metadata_csum_seed,^orphan_file -J size=4 -E root_owner=0:0 -d "$root" "$work/root.ext4"
rm -rf "$from" "$initrd" "$root" "$work/initrd.img"
