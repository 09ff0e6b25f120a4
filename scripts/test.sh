#!/usr/bin/env bash
# Installs what is missing and runs the tiers of CI; ends with `N passed, N failed`. `--all` also runs what is too long for CI.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
export ASSUME_YES=1
packages=(scripts/setup/packages.txt scripts/setup/test-packages.txt)
case ${1:-} in
  --all)
    export FREEHOLD_ALL=1
    packages+=(scripts/setup/all-packages.txt)
    ;;
  '') ;;
  *)
    printf 'Usage: ./scripts/test.sh [--all]\n' >&2
    exit 2
    ;;
esac
source scripts/setup/install.sh
install_all "${packages[@]}"
# a session's libvirtd opens taps as its user; where no udev runs, the node is root's alone (50-udev-default.rules: 0666)
if [[ -c /dev/net/tun && $(stat -c %a /dev/net/tun) != 666 ]]; then
  say '… /dev/net/tun for everybody, as udev has it'
  as_root chmod 0666 /dev/net/tun
fi
exec node scripts/tiers.ts
