import { posix } from "node:path";
import { RUNTIME_DRIVE_SERIAL, RUNTIME_FOLDER } from "@pileus/agent";

/** What the guest finds its root by. */
export const ROOT_DISK_SERIAL = "pileus-root";

/** The BusyBox that the runtime drive carries, as the guest sees it. */
const BUSYBOX = `${RUNTIME_FOLDER}/bin/busybox`;

/**
 * Process 1 of our initramfs, in the language of BusyBox' shell. It makes the disks and nics appear, mounts the root,
 * configures the nics by DHCP, arranges for the agent to be started, and hands over to the guest's own init.
 *
 * What it must know of the instance it reads off the kernel's command line, so that one initramfs serves all:
 * `pileus.hostname=NAME`, and `pileus.nic=NAME,MAC` for each nic. Disks are found by their serials, for names in
 * /dev are not stable. A failure ends the machine with a line on the console: there is nobody to ask.
 */
export const INIT_SCRIPT = `#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

fail() {
  echo "pileus: $*" >/dev/console
  sync
  poweroff -f
  # The power goes off a moment after that returned; process 1 must not end before.
  while :; do sleep 3600; done
}

# A module without its device is no failure: the next one may have it.
load() {
  while read -r module; do insmod "/modules/$module.ko"; done <"$1" 2>/dev/null
}

disk() {
  for folder in /sys/block/*; do
    serial=
    [ -r "$folder/serial" ] && read -r serial <"$folder/serial"
    [ "$serial" = "$1" ] && echo "/dev/\${folder##*/}" && return
  done
}

load /modules/first

hostname=pileus
nics=
for word in $(cat /proc/cmdline); do
  case "$word" in
    pileus.hostname=*) hostname=\${word#*=} ;;
    pileus.nic=*) nics="$nics \${word#*=}" ;;
  esac
done
hostname "$hostname"
ip link set lo up

# Interfaces get the names of the configuration's devices. By way of names that nobody has: two may swap theirs.
number=0
for nic in $nics; do
  for folder in /sys/class/net/*; do
    read -r mac <"$folder/address"
    [ "$mac" = "\${nic#*,}" ] && ip link set "\${folder##*/}" name "pileus-nic$number"
  done
  number=$((number + 1))
done
mkdir -p /leases
number=0
for nic in $nics; do
  name=\${nic%,*}
  ip link set "pileus-nic$number" name "$name" && ip link set "$name" up
  # Asks three times, two seconds each, then gives up: a network without DHCP must not keep the guest from booting.
  METRIC=$number udhcpc -i "$name" -f -q -n -t 3 -T 2 -s /lease </dev/null >/dev/null 2>&1 &
  number=$((number + 1))
done

root=$(disk ${ROOT_DISK_SERIAL})
[ -n "$root" ] || fail "no disk has the serial ${ROOT_DISK_SERIAL}"
mount -t ext4 -o rw "$root" /newroot || fail "the root file system on $root cannot be mounted"
for name in dev proc sys run; do [ -d "/newroot/$name" ] || mkdir -p "/newroot/$name"; done
[ -h /newroot/run ] && fail "/run of the root file system is a symbolic link"
mount -t tmpfs -o mode=0755,nosuid,nodev run /newroot/run
mkdir -p "/newroot${RUNTIME_FOLDER}"
runtime=$(disk ${RUNTIME_DRIVE_SERIAL})
[ -n "$runtime" ] || fail "no disk has the serial ${RUNTIME_DRIVE_SERIAL}"
mount -o ro "$runtime" "/newroot${RUNTIME_FOLDER}" || fail "the runtime drive on $runtime cannot be mounted"

# Whatever is read or written in the root is so from inside of it: its symbolic links mean its own files.
inside() { chroot /newroot ${BUSYBOX} "$@"; }

load /modules/second
mount -o move /dev /newroot/dev
mount -o move /sys /newroot/sys
mount -o move /proc /newroot/proc
exec 0</newroot/dev/console 1>/newroot/dev/console 2>&1
wait
cat /leases/* 2>/dev/null >/newroot/run/pileus/resolv.conf
cp /settle /start-agent /fallback-init /newroot/run/pileus/
inside sh /run/pileus/settle "$hostname"

init=
for path in /sbin/init /etc/init /bin/init /lib/systemd/systemd; do
  [ -z "$init" ] && inside [ -x "$path" ] && init=$path
done
[ -z "$init" ] && init=/run/pileus/fallback-init
case "$(inside readlink -f "$init")" in
  */systemd)
    mkdir -p /newroot/run/systemd/system/sysinit.target.wants
    cp /pileus-agent.service /newroot/run/systemd/system/
    ln -s ../pileus-agent.service /newroot/run/systemd/system/sysinit.target.wants/
    ;;
  *) inside setsid sh /run/pileus/start-agent & ;;
esac
exec switch_root /newroot "$init"
`;

/** What udhcpc(8) calls with a lease in its environment; `METRIC` keeps the routes of several nics apart. */
export const LEASE_SCRIPT = `#!/bin/busybox sh
case "$1" in
  bound | renew) ;;
  *) exit 0 ;;
esac
ip address flush dev "$interface"
ip address add "$ip/$mask" broadcast + dev "$interface"
for gateway in $router; do
  ip route add default via "$gateway" dev "$interface" metric "$METRIC"
  break
done
{
  [ -n "$domain" ] && echo "search $domain"
  for server in $dns; do echo "nameserver $server"; done
} >"/leases/$interface"
`;

/**
 * Writes into the root, running inside of it: the name that the guest is to have, and the resolvers. A resolv.conf that is a link belongs
 * to a program in the guest: it gets a first content where it has none, and is left alone otherwise.
 */
export const SETTLE_SCRIPT = `#!${BUSYBOX} sh
export PATH=${posix.dirname(BUSYBOX)}
busybox mkdir -p /etc
[ "$(busybox cat /etc/hostname 2>/dev/null)" = "$1" ] || echo "$1" >/etc/hostname
[ -s /run/pileus/resolv.conf ] || exit 0
if [ -h /etc/resolv.conf ]; then
  target=$(busybox readlink -f /etc/resolv.conf) && [ ! -e "$target" ] || exit 0
  busybox mkdir -p "\${target%/*}"
fi
busybox cat /run/pileus/resolv.conf >/etc/resolv.conf
`;

/**
 * Process 1 for a root that has no init: reaps orphans, and ends the machine by the signals of BusyBox' init
 * (USR2: power off, TERM: reboot, USR1: halt).
 */
export const FALLBACK_INIT_SCRIPT = `#!${BUSYBOX} sh
trap 'end poweroff' USR2 USR1 PWR
trap 'end reboot' TERM INT
end() {
  ${BUSYBOX} sync
  ${BUSYBOX} umount -a -r 2>/dev/null
  ${BUSYBOX} "$1" -f
}
${BUSYBOX} mkdir -p /dev/pts /dev/shm /tmp
${BUSYBOX} mount -t devpts -o mode=0620,gid=5,ptmxmode=0666 devpts /dev/pts
${BUSYBOX} mount -t tmpfs -o mode=1777 shm /dev/shm
while :; do ${BUSYBOX} sleep 2147483647 & wait $!; done
`;
