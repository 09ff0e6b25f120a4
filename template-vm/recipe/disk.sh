#!/bin/sh
# disk.sh ROOT.ext4 WORK OUT.qcow2: puts boot loaders for BIOS and UEFI before the root file system.
# No loop device, no mount, no grub-install: GPT, core.img written where boot.img is told to look.
#   p1 BIOS boot partition at 1 MiB · p2 EFI system partition, 2–16 MiB · p3 root, last, so that it can grow
set -eu
root=$1
work=$2
out=$3
grub=/usr/lib/grub
raw=$work/disk.raw
root_mib=$(($(stat -c %s "$root") / 1048576))

truncate -s "$((16 + root_mib + 1))M" "$raw"
sfdisk --quiet "$raw" << PARTITIONS
label: gpt
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=4096, size=28672, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
start=32768, size=$((root_mib * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root
PARTITIONS
dd if="$root" of="$raw" bs=1M seek=16 conv=notrunc,sparse status=none

cat > "$work/early.cfg" << 'EARLY'
search.fs_label root root
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
EARLY
set -- part_gpt ext2 normal configfile search_label linux

# BIOS. boot.img's kernel_sector (offset 0x5c) names core.img's first sector; core.img's first block list
# (offset 0x1f4) names the sector after it; the jump at 0x66 becomes NOPs, so that the drive in DL is trusted
# (GRUB's grub-core/boot/i386/pc/{boot,diskboot}.S).
grub-mkimage -d $grub/i386-pc -O i386-pc -p /boot/grub -c "$work/early.cfg" -o "$work/core.img" biosdisk "$@"
[ "$(stat -c %s "$work/core.img")" -le 1048576 ] || { echo 'build-template: core.img is larger than its partition' >&2; exit 1; }
cp $grub/i386-pc/boot.img "$work/boot.img"
patch() { printf '%b' "$3" | dd of="$1" bs=1 seek="$(($2))" conv=notrunc status=none; }
patch "$work/boot.img" 0x5c '\0000\0010\0000\0000\0000\0000\0000\0000'
patch "$work/boot.img" 0x66 '\0220\0220'
patch "$work/core.img" 0x1f4 '\0001\0010\0000\0000\0000\0000\0000\0000'
dd if="$work/boot.img" of="$raw" bs=440 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$raw" bs=512 seek=2048 conv=notrunc status=none

# UEFI, by the removable-media path; unsigned, so without Secure Boot.
grub-mkimage -d $grub/x86_64-efi -O x86_64-efi -p /boot/grub -c "$work/early.cfg" -o "$work/bootx64.efi" "$@"
mformat -i "$raw@@2M" -T 28672 -h 64 -s 32 -v ESP ::
mmd -i "$raw@@2M" ::/EFI ::/EFI/BOOT
mcopy -i "$raw@@2M" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI

qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$raw" "$out"
rm -f "$raw"
