#!/bin/sh
# Runs inside the guest's root (chroot), as root, with the machine's /dev, /proc and /sys seen.
set -eu
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

useradd --uid 1000 --user-group --create-home --shell /bin/bash owner
passwd --quiet --lock owner
chmod 440 /etc/sudoers.d/owner

package_units=
if [ -e /tmp/pam-web3.deb ]; then
  dpkg --force-confnew --install /tmp/pam-web3.deb
  package_units=$(dpkg --listfiles "$(dpkg-deb --field /tmp/pam-web3.deb Package)" |
    sed -n 's:^\(/usr\)\?/lib/systemd/system/\([^/]*\.\(service\|path\|timer\|socket\)\)$:\2:p')
fi

# Kernel: our initrd instead of initramfs-tools', now and at every upgrade.
dpkg-divert --quiet --local --no-rename --divert /etc/kernel/initramfs-tools.off --add /etc/kernel/postinst.d/initramfs-tools
rm -f /etc/kernel/postinst.d/initramfs-tools /boot/initrd.img-*
for modules in /lib/modules/*; do
  version=${modules#/lib/modules/}
  /usr/lib/freehold-template/make-initrd "$version"
  ln -sf "boot/vmlinuz-$version" /vmlinuz
  ln -sf "boot/initrd.img-$version" /initrd.img
done

# What starts at boot is a list of ours, not what packages enabled.
find /etc/systemd/system -path '*.wants/*' -type l -delete
find /etc/systemd/system -path '*.requires/*' -type l -delete
systemctl --quiet set-default multi-user.target
sed '/^#/d' /tmp/enabled-units.txt | while read -r unit; do systemctl --quiet enable "$unit"; done
for unit in $package_units; do
  if grep -qs '^\[Install\]' "/usr/lib/systemd/system/$unit" "/lib/systemd/system/$unit"; then systemctl --quiet enable "$unit"; fi
done
sed '/^#/d' /usr/lib/freehold-template/masked-units.txt | while read -r unit; do
  find /etc/systemd/system -path "*.wants/$unit" -delete
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
sed '/^#/d' /usr/lib/freehold-template/late-units.txt | while read -r unit; do
  mkdir -p "/etc/systemd/system/$unit.d"
  printf '[Unit]\nAfter=ssh.service systemd-networkd.service\n' > "/etc/systemd/system/$unit.d/after-ssh.conf"
done
# networkd's own unit, but ordered after nothing that takes time.
sed -e '/^After=/d' -e '/^Wants=.*udev/d' /usr/lib/systemd/system/systemd-networkd.service > /etc/systemd/system/systemd-networkd.service
mkdir -p /etc/systemd/system-generators
sed '/^#/d' /usr/lib/freehold-template/masked-generators.txt | while read -r generator; do ln -sf /dev/null "/etc/systemd/system-generators/$generator"; done

# A login may begin before tmpfiles ran: nobody is to be told that the system is still booting.
ln -sf /dev/null /etc/tmpfiles.d/systemd-nologin.conf

# A machine has no identity before its first boot.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /var/lib/systemd/random-seed
: > /etc/machine-id
ln -sf ../run/systemd/resolve/resolv.conf /etc/resolv.conf

rm -f /usr/sbin/policy-rc.d /usr/lib/udev/hwdb.bin /etc/apt/sources.list
rm -rf /usr/lib/udev/hwdb.d /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*.log /var/log/apt /run/*
find /etc/apt/sources.list.d /etc/apt/apt.conf.d -name '*mmdebstrap*' -delete
