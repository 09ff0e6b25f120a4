#!/bin/sh
# in-builder.sh BUILDER WORK: runs image.sh in the builder's root, in a mount namespace that ends with it.
set -eu
builder=$1 work=$2
mount -t proc proc "$builder/proc"
mount --rbind /sys "$builder/sys"
mount --rbind /dev "$builder/dev"
mkdir -p "$builder/build" "$builder/run/lock"
mount --bind "$work" "$builder/build"
# the builder resolves names and reaches archives as this machine does
cp --remove-destination /etc/resolv.conf "$builder/etc/resolv.conf"
cp --remove-destination /etc/hosts "$builder/etc/hosts"
if apt-config dump | grep '^Acquire::.*[Pp]roxy' > "$work/apt-proxy"; then cp "$work/apt-proxy" "$builder/etc/apt/apt.conf.d/99proxy"; fi
exec chroot "$builder" /build/image.sh /build
