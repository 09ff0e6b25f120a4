#!/bin/sh
# mirror.sh main|security: the address of that archive in this machine's own apt configuration. No name of it enters the tree
# or the image.
set -eu
# shellcheck disable=SC2016
apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | LC_ALL=C sort -u | awk -v want="$1" '
  { gsub(/\/$/, "", $1) }
  $1 ~ /debian/ && (($2 ~ /-security/) == (want == "security")) { print $1; exit }'
