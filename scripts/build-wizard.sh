#!/usr/bin/env bash
# Builds the pages as a standalone server and prints the folder that holds wizard/server.js.
# Cached by content in ${XDG_CACHE_HOME:-~/.cache}/freehold/wizard/<key>; a second run is instant.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
export PATH="$root/node_modules/.bin:$PATH" NEXT_TELEMETRY_DISABLED=1

# All that the pages are made of; the lock file stands for what is installed.
inputs() {
  find wizard appliance/src appliance/wasm-client/src contracts/deploy -type f \
    \( -path '*/node_modules' -o -path 'wizard/.next/*' -o -path '*/generated/*' -o -name '*.test.ts' -o -name '*.md' -o -name 'next-env.d.ts' -o -name '*.tsbuildinfo' \) -prune -o -type f -print |
    grep -E '^wizard/|^appliance/wasm-client/src/|^appliance/src/(api/schemas|config/schema|health/alerts/channel-schema|backup/restored|sign-in/sign-in-text|chain/installation)|^contracts/deploy/(subscriptions-|[^/]*interface)' | LC_ALL=C sort
}
key=$({ inputs | xargs -d '\n' sha256sum; sha256sum package-lock.json tsconfig.json appliance/package.json contracts/package.json scripts/build-wizard.sh; } | sha256sum | cut -c1-16)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/freehold/wizard"
done_folder="$cache/$key"
mkdir -p "$cache"
exec 9> "$cache/lock"
if ! flock -n 9; then
  echo 'pages: another build is running, waiting for it' >&2
  flock 9
fi
if [[ ! -e $done_folder/wizard/server.js ]]; then
  echo 'pages: building, about a minute' >&2
  started=$SECONDS
  rm -rf wizard/.next/standalone
  # the children must not hold the lock open
  (cd wizard && next build) >&2 9>&-
  stage=$(mktemp -d "$cache/new.XXXXXX")
  cp -r wizard/.next/standalone/. "$stage/"
  mkdir -p "$stage/wizard/.next"
  cp -r wizard/.next/static "$stage/wizard/.next/static"
  mv "$stage" "$done_folder"
  echo "pages: built in $((SECONDS - started)) s" >&2
fi
touch "$done_folder"
# Builds that nobody asked for in a month go.
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +31 -exec rm -rf {} +
echo "$done_folder"
