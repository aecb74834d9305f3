import { RUNTIME_DRIVE_SERIAL, RUNTIME_FOLDER } from "@pileus/agent";
import { STANDARD_HOSTS } from "@pileus/core/driver";

/** The paths where a guest's own init is looked for: those of the kernel (init/main.c), and systemd's own. */
export const INIT_PATHS = ["/sbin/init", "/etc/init", "/bin/init", "/lib/systemd/systemd"] as const;

/** The serial number by which the guest finds its root disk. */
export const ROOT_DISK_SERIAL = "pileus-root";

/** The BusyBox that the runtime drive carries, as the guest sees it. */
const BUSYBOX = `${RUNTIME_FOLDER}/bin/busybox`;

/**
 * Process 1 of our initramfs, a script for BusyBox' shell. It loads the drivers of disks and nics, mounts the root,
 * configures the nics by DHCP, has the agent started, and hands over to the guest's own init.
 *
 * It reads what it must know about the instance from the kernel's command line, so that one initramfs serves all
 * instances: `pileus.hostname=NAME`, and `pileus.nic=NAME,MAC,ADDRESS,DOMAIN` for each nic. Disks are found by their
 * serials, because names in /dev are not stable. A failure ends the machine with a line on the console, because no
 * agent runs yet that could report it.
 */
export const INIT_SCRIPT = `#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
# The files that udev or a container runtime would make.
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t proc proc /proc
mount -t sysfs sys /sys

fail() {
  echo "pileus: $*" >/dev/console
  sync
  poweroff -f
  # The power goes off shortly after that command returns; process 1 must not end before.
  while :; do sleep 3600; done
}

# A module without its device is not a failure: the next module may be the right one.
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

# The Nth field of a list that commas separate.
field() {
  echo "$2" | cut -d , -f "$1"
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

# Interfaces get the names of the configuration's devices, by way of unused names: two may have to swap theirs.
number=0
for nic in $nics; do
  for folder in /sys/class/net/*; do
    read -r mac <"$folder/address"
    [ "$mac" = "$(field 2 "$nic")" ] && ip link set "\${folder##*/}" name "pileus-nic$number"
  done
  number=$((number + 1))
done
number=0
for nic in $nics; do
  ip link set "pileus-nic$number" name "\${nic%%,*}" && ip link set "\${nic%%,*}" up
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

# Everything in the root is read and written from inside of it, so that its symbolic links lead to its own files.
inside() { chroot /newroot ${BUSYBOX} "$@"; }

for name in dev sys proc; do mount -o move "/$name" "/newroot/$name"; done
exec 0</newroot/dev/console 1>/newroot/dev/console 2>&1
mkdir /newroot/run/pileus/leases
cp /settle /lease /start-agent /newroot/run/pileus/

init=
for path in ${INIT_PATHS.join(" ")}; do
  [ -z "$init" ] && inside [ -f "$path" ] && inside [ -x "$path" ] && init=$path
done
[ -n "$init" ] || fail "the root file system has no init: none of ${INIT_PATHS.join(" ")}"
# The agent takes longest to start, so it starts first. Under systemd it is a unit, so systemd starts it.
case "$(inside readlink -f "$init")" in
  */systemd)
    mkdir -p /newroot/run/systemd/system/sysinit.target.wants
    cp /pileus-agent.service /newroot/run/systemd/system/
    ln -s ../pileus-agent.service /newroot/run/systemd/system/sysinit.target.wants/
    ;;
  *) inside setsid sh /run/pileus/start-agent & ;;
esac

# Each nic asks three times, two seconds apart. Then the guest boots without an address, and the nic goes on asking.
number=0
clients=
for nic in $nics; do
  METRIC=$number inside udhcpc -i "\${nic%%,*}" -b -q -t 3 -T 2 -s /run/pileus/lease </dev/null >/dev/null 2>&1 &
  clients="$clients $!"
  number=$((number + 1))
done
load /modules/second
inside sh /run/pileus/settle "$hostname" $nics
[ -n "$clients" ] && wait $clients
exec switch_root /newroot "$init"
`;

/**
 * The script that udhcpc(8) calls with a lease in its environment, inside of the root. `METRIC` keeps the routes of
 * several nics apart. A resolv.conf that is a link belongs to a program of the guest: if it is empty, it gets a first
 * content, else it is left alone. That program may be systemd-resolved, which does not read what others wrote there:
 * under systemd, it learns of the servers by a file of its own (resolved.conf(5)), before it starts. A server may write
 * anything into a lease: only addresses and names get into files.
 */
export const LEASE_SCRIPT = `#!${BUSYBOX} sh
alias busybox=${BUSYBOX}
case "$1" in
  bound | renew) ;;
  *) exit 0 ;;
esac
busybox ip address flush dev "$interface"
busybox ip address add "$ip/$mask" broadcast + dev "$interface"
for gateway in $router; do
  busybox ip route add default via "$gateway" dev "$interface" metric "$METRIC"
  break
done
# The words of a list that have no characters but those of a pattern.
only() {
  words=
  for word in $2; do
    case "$word" in *[!$1]*) ;; *) words="$words $word" ;; esac
  done
  echo $words
}
set -f
servers=$(only 0-9. "$dns")
domain=$(only a-zA-Z0-9._- "$domain")
set +f
{
  [ -n "$domain" ] && echo "search $domain"
  for server in $servers; do echo "nameserver $server"; done
} >"/run/pileus/leases/$interface"
if [ -d /run/systemd/system ]; then
  busybox mkdir -p /run/systemd/resolved.conf.d
  for line in "[Resolve]" "DNS=$servers" "Domains=$domain"; do echo "$line"; done \\
    >"/run/systemd/resolved.conf.d/pileus-$interface.conf"
fi
if [ -h /etc/resolv.conf ]; then
  target=$(busybox readlink -f /etc/resolv.conf) && [ ! -e "$target" ] || exit 0
  busybox mkdir -p "\${target%/*}"
fi
busybox cat /run/pileus/leases/* >/etc/resolv.conf
`;

/**
 * Gives the guest its name. It runs inside of the root as `settle NAME NIC…`, with each nic as on the kernel's command
 * line. `/etc/hosts` becomes what `renderHosts()` of core would write, unless it has the name already.
 */
export const SETTLE_SCRIPT = `#!${BUSYBOX} sh
alias busybox=${BUSYBOX}
busybox mkdir -p /etc
[ "$(busybox cat /etc/hostname 2>/dev/null)" = "$1" ] || echo "$1" >/etc/hostname
name=$1
shift
hosts=
[ -f /etc/hosts ] && hosts=$(busybox cat /etc/hosts)
for word in $hosts; do [ "$word" = "$name" ] && exit 0; done
[ -n "$hosts" ] || hosts="${STANDARD_HOSTS.trimEnd()}"
busybox rm -rf /etc/hosts
{
  echo "$hosts" | while IFS= read -r line; do
    for nic in "$@"; do
      domain=\${nic##*,} address=\${nic%,*}
      address=\${address##*,}
      former=\${line#"$address "}
      former=\${former%%."$domain "*}
      [ "$line" = "$address $former.$domain $former" ] && continue 2
    done
    echo "$line"
  done
  [ $# -gt 0 ] || echo "127.0.1.1 $name"
  for nic in "$@"; do
    echo "$nic" | { IFS=, read -r _ _ address domain && echo "$address $name.$domain $name"; }
  done
} >/etc/hosts
`;
