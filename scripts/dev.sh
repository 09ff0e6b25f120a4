#!/usr/bin/env bash
# The whole product on the fake hypervisor: no root, no machine, ready in seconds. `npm run dev` calls it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source scripts/setup/install.sh
command -v caddy >/dev/null || fail 'The program caddy is missing.' 'Install it, for example with: apt-get install caddy'
install_toolchain
exec node appliance/src/dev/up.ts --fake "$@"
