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
exec node scripts/tiers.ts
