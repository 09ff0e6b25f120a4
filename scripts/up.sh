#!/usr/bin/env bash
# Starts Freehold on this machine in embedded mode: installs what is missing, starts the processes, applies
# scripts/embedded.yaml, and prints where the storefront is. Ctrl-C stops all it started and nothing else.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

for argument in "$@"; do
  case $argument in
    --yes) export ASSUME_YES=1 ;;
    --help | -h)
      cat <<'HELP'
Usage: ./scripts/up.sh [--yes] [--demo] [--json] [--wasm] [--state FOLDER] [--answers FILE]

Starts Freehold on this machine: a local chain, a hypervisor, the daemon and its pages at http://localhost:8080.

  --yes            install what is missing without asking
  --demo           buy the smallest plan, log in over ssh with a wallet signature, run `uname -a`, print the phases, stop
  --json           with --demo: print the result as one JSON object on stdout
  --wasm           also sell and run WebAssembly programs, at http://wasm.localhost:8080
  --wizard         apply no answers: set the host up in the browser, at /setup
  --state FOLDER   where state is kept (default: $XDG_STATE_HOME/freehold)
  --answers FILE   another answer file (default: scripts/embedded.yaml)

Ctrl-C stops everything it started. A second start uses all that is there again.
HELP
      exit 0
      ;;
  esac
done

source scripts/setup/install.sh
install_all scripts/setup/packages.txt
agree_to_vm_user
exec node appliance/src/dev/up.ts "$@"
