import { chmod, chown, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HostError } from "../errors/all.ts";
import { spawn } from "../system/spawn.ts";

/** An additional file for the tree. */
export interface ExtraFile {
  /** Text is encoded as UTF-8. */
  readonly content: string | Uint8Array;
  /** Default 0o644. */
  readonly mode?: number | undefined;
}

/** Options of {@link makeBusyboxRootfs}. */
export interface BusyboxRootfsOptions {
  /** Additional files by absolute path inside; parents are created. */
  readonly extra?: Readonly<Record<string, string | ExtraFile>> | undefined;
}

/** An account that every fixture has, with a home and a supplementary group. */
export const FIXTURE_USER = { name: "app", uid: 1000, gid: 1000, home: "/home/app", group: "shared", groupId: 2000 };

const BUSYBOX = "/bin/busybox";

/**
 * Process 1 of a container or a virtual machine, as a POSIX shell script. It handles every halt signal that liblxc,
 * systemd's tools or an ACPI daemon send, and reaps orphans (`wait` of ash waits for any child).
 */
const INIT = `#!/bin/sh
# First of all: the kernel drops signals that process 1 has no handler for, and a stop may come at once.
trap halt PWR TERM USR1 USR2 37
trap restart INT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
halt() {
  # In a container the end of process 1 is the end of all.
  [ -n "$container" ] && exit 0
  sync; umount -a -r 2>/dev/null; poweroff -f
}
restart() {
  [ -z "$container" ] && { sync; umount -a -r 2>/dev/null; }
  reboot -f
}
mounted() { while read -r _ target _; do [ "$target" = "$1" ] && return 0; done </proc/mounts; return 1; }
if [ -z "$container" ]; then
  [ -e /proc/self ] || mount -t proc proc /proc
  mounted /sys || mount -t sysfs sysfs /sys
  mounted /dev || mount -t devtmpfs devtmpfs /dev
  mkdir -p /dev/pts /dev/shm
  mounted /dev/pts || mount -t devpts -o mode=0620,gid=5,ptmxmode=0666 devpts /dev/pts
  mounted /dev/shm || mount -t tmpfs -o mode=1777 shm /dev/shm
  mounted /run || mount -t tmpfs -o mode=0755 run /run
  mount -o remount,rw / 2>/dev/null
  [ -e /dev/input/event0 ] && acpid
fi
ip link set lo up 2>/dev/null
for script in /etc/rc.d/*; do [ -x "$script" ] && "$script"; done
echo "init: up"
while :; do sleep 2147483647 & wait $!; done
`;

const { name, uid, gid, home, group, groupId } = FIXTURE_USER;
const FILES: Readonly<Record<string, ExtraFile>> = {
  "/sbin/init": { content: INIT, mode: 0o755 },
  "/etc/passwd": {
    content: `root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n${name}:x:${uid}:${gid}:${name}:${home}:/bin/sh\n`,
  },
  "/etc/group": {
    content: `root:x:0:\ndaemon:x:1:\ntty:x:5:\nwheel:x:10:root\nnogroup:x:65534:\n${name}:x:${gid}:\n${group}:x:${groupId}:${name}\n`,
  },
  "/etc/shadow": { content: `root:*:19000:0:99999:7:::\n${name}:*:19000:0:99999:7:::\n`, mode: 0o640 },
  "/etc/hostname": { content: "fixture\n" },
  "/etc/hosts": { content: "127.0.0.1 localhost\n::1 localhost\n" },
  "/etc/resolv.conf": { content: "" },
  "/etc/os-release": { content: 'ID=busybox\nNAME="BusyBox fixture"\nVERSION_ID=1\n' },
  // In acpid's built-in table a press of the power button runs this (busybox, util-linux/acpid.c).
  "/etc/acpi/PWRF/00000080": { content: "#!/bin/sh\nkill -USR2 1\n", mode: 0o755 },
};

const FOLDERS: Readonly<Record<string, number>> = {
  "/dev": 0o755,
  "/etc/rc.d": 0o755,
  "/home": 0o755,
  "/mnt": 0o755,
  "/proc": 0o555,
  "/root": 0o700,
  "/run": 0o755,
  "/srv": 0o755,
  "/sys": 0o555,
  "/tmp": 0o1777,
  "/var/log": 0o755,
  "/var/tmp": 0o1777,
  [home]: 0o700,
};

/**
 * Creates a root file system of about 2 MB in `folder`, which must be empty or missing: a static BusyBox with all its
 * applets, the users `root`, `daemon`, `nobody` and {@link FIXTURE_USER}, and an init that boots as process 1 of a
 * container (with `container` in its environment, as liblxc sets it) and of a virtual machine. Executable files in
 * `/etc/rc.d` run at boot. Owners are right only when root creates it.
 *
 * @throws {HostError} when the host's `/bin/busybox` is missing or not static.
 */
export async function makeBusyboxRootfs(folder: string, options: BusyboxRootfsOptions = {}): Promise<void> {
  const busybox = await readFile(BUSYBOX).catch((cause: unknown) => {
    throw missing("not there", cause);
  });
  if (!isStatic(busybox)) throw missing("dynamically linked: it would need a libc inside");
  const put = async (path: string, content: string | Uint8Array, mode: number) => {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    await chmod(target, mode); // whatever the umask
  };
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  for (const [path, mode] of Object.entries(FOLDERS)) {
    await mkdir(join(folder, path), { recursive: true });
    await chmod(join(folder, path), mode);
  }
  await put("/bin/busybox", busybox, 0o755);
  const { stdout } = await spawn([BUSYBOX, "--list-full"]);
  for (const applet of stdout.split("\n")) {
    const path = applet.startsWith("/") ? applet : `/${applet}`;
    if (path === "/" || path === "/bin/busybox" || path in FILES) continue;
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await symlink("/bin/busybox", join(folder, path));
  }
  for (const [path, file] of Object.entries(FILES)) await put(path, file.content, file.mode ?? 0o644);
  for (const [path, file] of Object.entries(options.extra ?? {})) {
    const { content, mode = 0o644 } = typeof file === "string" ? { content: file } : file;
    await put(path, content, mode);
  }
  if (process.geteuid?.() === 0) await chown(join(folder, home), uid, gid);
}

function missing(reason: string, cause?: unknown): HostError {
  const need = { need: `binary:${BUSYBOX}`, reason, fix: "apt-get install busybox-static" };
  return new HostError("make a BusyBox root file system", [need], { cause });
}

/** Whether an ELF file has no program interpreter (elf.h: PT_INTERP is 3; the layout is that of ELFCLASS64). */
function isStatic(elf: Buffer): boolean {
  const PT_INTERP = 3;
  const start = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  for (let i = 0; i < count; i++) if (elf.readUInt32LE(start + i * size) === PT_INTERP) return false;
  return true;
}
