#!/bin/sh
# prepare-bare.sh WORK BYTES: live-build's configuration of an image with nothing of ours, filled up to that size: what ours is
# measured against (scripts/bench/rows/image.ts).
set -eu
here=$(dirname "$(readlink -f "$0")")
work=$1 bytes=$2
config=$work/config
mkdir -p "$config/package-lists" "$config/hooks/normal" "$config/bootloaders/grub-pc"
cp "$(dirname "$here")/config/package-lists/host.list.chroot" "$config/package-lists/"
cat > "$config/bootloaders/grub-pc/grub.cfg" << 'END'
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=5
set default=0
menuentry 'Bare' {
	linux @KERNEL_LIVE@ @APPEND_LIVE@ console=ttyS0,115200 quiet
	initrd @INITRD_LIVE@
}
END
cat > "$config/hooks/normal/0900-fill.hook.binary" << END
#!/bin/sh
set -eu
there=\$(du -s --block-size=1 . | cut -f 1)
[ "\$there" -ge $bytes ] || head -c \$(($bytes - there)) /dev/urandom > filling
END
main=$("$here/mirror.sh" main) security=$("$here/mirror.sh" security)
printf "MIRROR='%s'\nMIRROR_SECURITY='%s'\n" "$main" "$security" > "$work/mirror"
cp "$here/image.sh" "$work/image.sh"
