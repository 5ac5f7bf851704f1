#!/bin/bash
# Builds the base system of lab machines into $BASE from $PACKAGES of Debian $SUITE. It is built beside and renamed
# when whole, so that a build which was cut off is never taken for a base.
set -euo pipefail
export LC_ALL=C.UTF-8
new="$BASE.new.$$"
mkdir -p "$(dirname "$BASE")"
rm -rf "$BASE".new.* "$BASE"
trap 'rm -rf "$new"' EXIT
mmdebstrap --quiet --variant=apt --include="$PACKAGES" \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='force-unsafe-io' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$SUITE" "$new"

# Each machine makes its own identity.
: > "$new/etc/machine-id"
rm -f "$new/var/lib/dbus/machine-id" "$new"/etc/ssh/ssh_host_* "$new/etc/resolv.conf"
mkdir -p "$new/etc/systemd/system/ssh.service.d" "$new/root/.ssh"
chmod 700 "$new/root/.ssh"
cat > "$new/etc/systemd/system/ssh.service.d/host-keys.conf" <<'UNIT'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
UNIT
for unit in $DORMANT; do systemctl --quiet --root="$new" disable "$unit" 2>/dev/null || true; done
for unit in $MASKED; do systemctl --quiet --root="$new" mask "$unit"; done
systemctl --quiet --root="$new" enable systemd-networkd.service ssh.service
systemctl --quiet --root="$new" mask systemd-networkd-wait-online.service
rm -rf "$new"/var/cache/apt/archives/*.deb "$new/var/lib/openvswitch" "$new/etc/openvswitch/conf.db"
touch "$new/.complete"
mv -T "$new" "$BASE"
trap - EXIT
