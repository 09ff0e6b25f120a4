#!/usr/bin/env bash
# Installs what is missing: Debian packages, the toolchain of the repository, generated code. Sourced by up.sh and test.sh.
# Usage: source scripts/setup/install.sh; install_all FILE... (files that list Debian packages)
# Asks before it changes anything outside the repository, unless ASSUME_YES=1 or there is no terminal.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$1"
  say "$2"
  exit 1
}

# Runs a command that may take long: says what it does, how long it took, and shows its output only if it fails.
phase() {
  local title=$1 log started
  shift
  started=$SECONDS
  log=$(mktemp)
  say "… $title"
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    fail "Failed: $title." "The end of its output stands above. Mend the cause and run this again; nothing is done twice."
  fi
  rm -f "$log"
  if ((SECONDS - started > 2)); then say "  $title: $((SECONDS - started)) s"; fi
}

confirm() {
  if [[ ${ASSUME_YES:-0} == 1 || ! -t 0 ]]; then return 0; fi
  local answer
  read -r -p "$1 [y/N] " answer
  [[ $answer == [yY]* ]]
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

missing_packages() {
  local line name found
  grep -hv '^#' "$@" | while read -r line; do
    found=0
    for name in ${line//|/ }; do
      if dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed'; then found=1; fi
    done
    if ((found == 0)); then printf '%s\n' "${line%%|*}"; fi
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  command -v npm >/dev/null || missing+=(nodejs npm)
  if ! rust_is_new_enough; then missing+=(rustc-web cargo-web); fi
  if ((${#missing[@]} == 0)); then return; fi
  command -v apt-get >/dev/null || fail "These programs are missing: ${missing[*]}." "Freehold runs on Debian 12 or later; install them by hand elsewhere."
  confirm "Install these Debian packages: ${missing[*]}?" || fail "Nothing was installed." "Run this again and say y, or install the packages yourself."
  phase 'update the package lists' as_root apt-get -o DPkg::Lock::Timeout=300 update -q
  phase "install ${#missing[@]} Debian packages" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
}

# libvirtd as root is never session mode: as root, VMs run as a user of their own. It is made when the first VM storage is.
agree_to_vm_user() {
  if ((EUID != 0)) || id freehold-vm >/dev/null 2>&1; then return; fi
  confirm 'Make the system user freehold-vm, who runs the VMs?' || fail 'Nothing was started.' 'Run this again and say y, or run it as an ordinary user.'
}

rust_is_new_enough() {
  local version
  version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [[ -n $version && $(printf '%s\n1.95.0\n' "$version" | sort -V | head -n 1) == 1.95.0 ]]
}

# The key of what npm has to install; a stamp in node_modules tells whether it is there.
npm_key() { cat package-lock.json package.json ./*/package.json ./appliance/*/package.json | sha256sum | cut -d ' ' -f 1; }

install_toolchain() {
  if [[ $(cat node_modules/.freehold-key 2>/dev/null) != "$(npm_key)" ]]; then
    # `npm ci` fails where a registry lacks other platforms' binaries; this installs exactly what the lock file says
    phase 'install the npm packages of the lock file' npm install --no-audit --no-fund --ignore-scripts
    npm_key >node_modules/.freehold-key
  fi
  export PATH="$PWD/node_modules/.bin:$PATH"
  if [[ ! -d appliance/src/generated || appliance/src/store/schema.prisma -nt appliance/src/generated/prisma/client.ts ]]; then
    phase 'generate the database client' npm run generate
  fi
}

install_all() {
  install_packages "$@"
  install_toolchain
}
