#!/bin/sh
# in-stand.sh machine WORK COMMAND…   runs COMMAND with this machine's programs, and with WORK/etc/{passwd,shadow,group,pam.d}
# in-stand.sh root    WORK COMMAND…   runs COMMAND in the guest's root, unpacked at WORK/root
# Call it in a mount and a process namespace of its own: what it mounts is gone with it, and the machine is as it was.
set -eu
kind=$1
work=$2
shift 2
case $kind in
  machine)
    for file in passwd shadow group pam.d; do mount --bind "$work/etc/$file" "/etc/$file"; done
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/sshd /run/freehold-programs
    mount --bind "$work/package/usr/sbin" /run/freehold-programs
    mount -t proc proc /proc
    exec "$@"
    ;;
  root)
    mount --rbind /dev "$work/root/dev"
    mount -t proc proc "$work/root/proc"
    mkdir -p "$work/root/run/sshd" "$work/root/run/freehold"
    exec chroot "$work/root" "$@"
    ;;
esac
