#!/bin/sh
# builder.sh DIR: a Debian 13 root with live-build, GRUB and squashfs tools of that release, whatever this machine runs.
set -eu
here=$(dirname "$(readlink -f "$0")")
out=$1
main=$("$here/mirror.sh" main)
security=$("$here/mirror.sh" security)
[ -n "$main" ] || { echo "build-iso: no Debian mirror in this machine's apt sources" >&2; exit 1; }
set -- "deb $main trixie main" "deb $main trixie-updates main"
[ -z "$security" ] || set -- "$@" "deb $security trixie-security main"
packages=$(sed '/^#/d' "$here/builder-packages.txt" | paste -sd,)
printf '%s\n' "$@" | mmdebstrap --mode=root --variant=minbase --format=directory --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' trixie "$out.new" - 2> "$out.log" || { tail -n 30 "$out.log" >&2; exit 1; }
mv "$out.new" "$out"
