#!/usr/bin/env bash
# build-deb.sh [--out DIR] [NAME...]
#
# Builds Debian packages and prints their paths: those of packaging/ and pam-web3, the guests' (scripts/build-pam-web3.sh).
# Without names all but the broker's: freehold, freehold-web, pam-web3.
# An existing Debian 13 or Proxmox host takes them: apt install ./freehold.deb ./freehold-web.deb
# FREEHOLD_UPDATE_KEY (file) is the public key of the repository from which such a host takes updates, FREEHOLD_UPDATE_REPOSITORY
# its address: a URL, or file:/FOLDER. scripts/deb/repository.ts makes one. Without them `freehold update` says that none is set.
# Cached by content in ${XDG_CACHE_HOME:-~/.cache}/freehold/deb/KEY; a second run is instant.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
export PATH="$root/node_modules/.bin:$PATH"
out='' names=()
while (($# > 0)); do
  case $1 in
    --out)
      (($# > 1)) || {
        echo 'build-deb: --out needs a folder' >&2
        exit 2
      }
      out=$2
      shift
      ;;
    -*)
      echo 'Usage: build-deb.sh [--out DIR] [NAME...]' >&2
      exit 2
      ;;
    *) names+=("$1") ;;
  esac
  shift
done
((${#names[@]} > 0)) || names=(freehold freehold-web pam-web3)
for name in "${names[@]}"; do
  [[ $name == pam-web3 || -e packaging/$name/control ]] || {
    echo "build-deb: no package $name; there are: $(cd packaging && echo *) pam-web3" >&2
    exit 2
  }
done
if [[ ${names[*]} == pam-web3 ]]; then
  # Rust alone: it needs neither the pages nor what npm installs
  exec ./scripts/build-pam-web3.sh ${out:+"$out"}
fi
[[ -e node_modules/.bin/node && -d appliance/src/generated ]] || {
  echo 'build-deb: the toolchain is not installed; ./scripts/test.sh or ./scripts/up.sh installs it' >&2
  exit 1
}
./scripts/build-wasmtime-node.sh >&2
pages=$(./scripts/build-wizard.sh)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/deb
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
# what is in the packages: sources, pages, npm packages, recipes
key=$({
  find packaging scripts/deb appliance contracts/deploy -type f -not -path '*/node_modules/*' -not -path '*/target/*' -not -name '*.test.ts' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum
  sha256sum package-lock.json package.json contracts/package.json
  basename "$pages"
  echo "${FREEHOLD_VERSION:-} ${FREEHOLD_UPDATE_REPOSITORY:-}"
  if [[ -n ${FREEHOLD_UPDATE_KEY:-} ]]; then sha256sum "$FREEHOLD_UPDATE_KEY" | cut -d ' ' -f 1; fi
} | sha256sum | cut -c1-16)
mkdir -p "$cache/$key"
for name in "${names[@]}"; do
  if [[ $name == pam-web3 ]]; then
    ./scripts/build-pam-web3.sh ${out:+"$out"} 9>&-
    continue
  fi
  [[ -e $cache/$key/$name.deb ]] || node scripts/deb/build.ts --out "$cache/$key" --pages "$pages" "$name" >/dev/null 9>&-
  if [[ -n $out ]]; then
    mkdir -p "$out"
    cp "$cache/$key/$name.deb" "$out/"
    (cd "$out" && echo "$PWD/$name.deb")
  else
    echo "$cache/$key/$name.deb"
  fi
done
touch "$cache/$key"
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +31 -exec rm -rf {} +
