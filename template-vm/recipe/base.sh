#!/bin/sh
# base.sh PACKAGES OUT.tar: a plain Debian 13 root as a tar, by mmdebstrap. Slow, and the same for every pam-web3.
# As root it works in a chroot, as anyone else in a user namespace (needs uidmap and a line in /etc/subuid).
set -eu
packages=$(sed '/^#/d' "$1" | paste -sd,)
out=$2

# The mirror is the one this machine uses itself; no name of it enters the image or the repository.
uri_of() { # uri_of main|security
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null | awk -v want="$1" '
    function found(uri, suites) {
      if (uri !~ /debian/) return
      if ((suites ~ /-security/) == (want == "security")) { print uri; exit }
    }
    $1 == "URIs:" { uri = $2 }
    $1 == "Suites:" { found(uri, $0) }
    $1 == "deb" { line = $0; sub(/\[[^]]*\] */, "", line); split(line, part, " "); if (line ~ / main( |$)/) found(part[2], part[3]) }'
}
main=$(uri_of main)
security=$(uri_of security)
[ -n "$main" ] || { echo "build-template: no Debian mirror in this machine's apt sources; add one to /etc/apt/sources.list.d/" >&2; exit 1; }

if [ "$(id -u)" = 0 ]; then mode=root; else mode=unshare; fi
set -- "deb $main trixie main" "deb $main trixie-updates main"
[ -z "$security" ] || set -- "$@" "deb $security trixie-security main"
# mmdebstrap takes the sources from standard input when the mirror is `-`.
printf '%s\n' "$@" | mmdebstrap --mode="$mode" --variant=minbase --format=tar --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  trixie "$out.new" - 2> "$out.log" || { tail -n 30 "$out.log" >&2; exit 1; }
mv "$out.new" "$out"
