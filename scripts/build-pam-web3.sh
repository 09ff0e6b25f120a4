#!/bin/sh
# build-pam-web3.sh [OUTDIR]
#
# Builds the Debian package of the PAM module and the guest helper (pam-web3/) and prints its path, on stdout and alone.
#   OUTDIR  also puts the package there
# Cached by content in ${XDG_CACHE_HOME:-$HOME/.cache}/freehold/pam-web3/KEY; a second run is instant.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
source=$here/pam-web3
out=${1:-}
say() { echo "build-pam-web3: $*" >&2; }
for tool in cargo dpkg-deb cc; do
  command -v "$tool" > /dev/null && continue
  say "missing: $tool"
  say 'remedy: apt-get install --no-install-recommends cargo-web rustc-web gcc libc6-dev dpkg'
  exit 1
done
[ "$(uname -m)" = x86_64 ] || { say 'guests are x86_64; this machine is not'; exit 1; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/freehold/pam-web3
mkdir -p "$cache"
exec 9> "$cache/lock"
flock -n 9 || { say 'another build is running, waiting for it'; flock 9; }

key=$( (
  cd "$source"
  rustc --version
  sha256sum < "$here/scripts/build-pam-web3.sh"
  find Cargo.toml Cargo.lock core/Cargo.toml client/Cargo.toml guest/Cargo.toml pam/Cargo.toml pam/build.rs \
    core/src client/src guest/src pam/src package -type f | LC_ALL=C sort | xargs sha256sum
) | sha256sum | cut -d' ' -f1)
stage=$cache/$key
deb=$stage/pam-web3.deb
if [ ! -e "$deb" ]; then
  say 'compiling, up to three minutes'
  work=$(mktemp -d "$cache/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  CARGO_TARGET_DIR=$cache/target cargo build --manifest-path "$source/Cargo.toml" --release --locked --quiet \
    --package pam_web3 --package freehold-guest >&2 9>&-
  root=$work/root
  put() { # put MODE FROM TO
    install -D -m "$1" "$2" "$root/$3"
  }
  put 644 "$cache/target/release/libpam_web3.so" usr/lib/x86_64-linux-gnu/security/pam_web3.so
  put 755 "$cache/target/release/freehold-guest" usr/sbin/freehold-guest
  # `freehold verify` and `freehold audit` in everybody's PATH
  mkdir -p "$root/usr/bin"
  ln -s ../sbin/freehold-guest "$root/usr/bin/freehold"
  put 644 "$source/package/ssh/10-freehold.conf" etc/ssh/sshd_config.d/10-freehold.conf
  put 644 "$source/package/pam.d/freehold-sshd" etc/pam.d/freehold-sshd
  # settings below /etc are no conffiles: lintian-overrides says why
  put 644 "$source/package/copyright" usr/share/doc/pam-web3/copyright
  put 644 "$source/package/lintian-overrides" usr/share/lintian/overrides/pam-web3
  # Started because the package is there: nothing to enable.
  mkdir -p "$root/usr/lib/systemd/system/multi-user.target.wants"
  for unit in "$source"/package/units/*.service; do
    put 644 "$unit" "usr/lib/systemd/system/$(basename "$unit")"
    ln -s "../$(basename "$unit")" "$root/usr/lib/systemd/system/multi-user.target.wants/"
  done
  put 644 "$source/package/drop-ins/freehold-user-data.service.d/helper.conf" \
    usr/lib/systemd/system/freehold-user-data.service.d/helper.conf
  # it conflicts with `freehold`: a host is no guest, its sshd would admit nobody, and both bring /usr/bin/freehold
  put 644 "$source/package/control" DEBIAN/control
  for script in prerm postrm; do put 755 "$source/package/$script" "DEBIAN/$script"; done
  # The same sources give the same package, so an image made of it keeps its name.
  SOURCE_DATE_EPOCH=1767225600
  export SOURCE_DATE_EPOCH
  field() { sed -n "s/^$1: //p" "$source/package/control"; }
  printf 'pam-web3 (%s) stable; urgency=medium\n\n  * Built from the tree; see its history.\n\n -- %s  %s\n' \
    "$(field Version)" "$(field Maintainer)" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" |
    gzip -9n > "$root/usr/share/doc/pam-web3/changelog.gz"
  chmod -R u=rwX,go=rX "$root"
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$work/pam-web3.deb" > /dev/null
  mkdir -p "$stage"
  mv "$work/pam-web3.deb" "$deb"
fi
touch "$stage"
# Packages nobody asked for in a month go.
find "$cache" -mindepth 1 -maxdepth 1 -type d -name '????????????????????????????????????????????????????????????????' -mtime +31 -exec rm -rf {} +

if [ -n "$out" ]; then
  mkdir -p "$out"
  cp "$deb" "$out/pam-web3.deb"
  deb=$(cd "$out" && pwd)/pam-web3.deb
fi
echo "$deb"
