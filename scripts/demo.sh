#!/usr/bin/env bash
# The operator's pages and the storefront of an invented host, read-only, on loopback. `npm run demo` calls it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source scripts/setup/install.sh
install_toolchain
exec node appliance/src/dev/invented/demo.ts "$@"
