import { closeSync } from "node:fs";
import { check, NUMBER, native } from "./syscall.ts";

// Mounts that stand nowhere: open_tree(2), mount_setattr(2), move_mount(2), fsopen(2). Each needs CAP_SYS_ADMIN.

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
/** Bits of mount_setattr(2), and of fsmount(2). */
const MOUNT_ATTR = { RDONLY: 0x1n, NOSUID: 0x2n, NODEV: 0x4n, IDMAP: 0x100000n } as const;
/** mount(2). */
const PROPAGATION = { private: 1n << 18n, slave: 1n << 19n } as const;

/** Options of {@link detachedMount}. */
export interface DetachedMountOptions {
  readonly readOnly: boolean;
  /** Whether what is mounted below comes along. Default false. */
  readonly recursive?: boolean | undefined;
  /** Default `private`. */
  readonly propagation?: keyof typeof PROPAGATION | undefined;
  /** A descriptor of the user namespace that maps the owners. It is not closed. Default: none. */
  readonly userNamespace?: number | undefined;
  /** Whether programs get the rights of setuid files. Default false. */
  readonly suid?: boolean | undefined;
}

/**
 * A descriptor of a detached mount of the file system at `path`: no `..` leads out of it, and no device in it can be
 * opened. It goes when the last holder of the descriptor goes, unless {@link attachMount} has put it somewhere. Needs
 * Linux 5.12. A map needs a file system that supports it, else EINVAL.
 */
export function detachedMount(path: string, options: DetachedMountOptions): number {
  const { readOnly, recursive = false, propagation = "private", userNamespace, suid = false } = options;
  const set =
    MOUNT_ATTR.NODEV |
    (suid ? 0n : MOUNT_ATTR.NOSUID) |
    (readOnly ? MOUNT_ATTR.RDONLY : 0n) |
    (userNamespace === undefined ? 0n : MOUNT_ATTR.IDMAP);
  return cloneMount(path, { set, propagation: PROPAGATION[propagation], userNamespace, recursive });
}

/**
 * A descriptor of a detached folder in memory: tmpfs(5). `owner`: in ids of the host. No device in it can be opened, and no
 * program gets the rights of a setuid file.
 */
export function memoryMount(options: {
  readonly size?: number | undefined;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}): number {
  const [FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE] = [1, 6];
  const CLOEXEC = 1;
  const { syscall } = native();
  const context = check("fsopen", syscall(NUMBER.fsopen, "str", "tmpfs", "uint", CLOEXEC));
  try {
    const configure = (command: number, key: string | null, value: string | null) => {
      const what = ["int", context, "uint", command, "str", key, "str", value, "int", 0];
      check("fsconfig", syscall(NUMBER.fsconfig, ...what));
    };
    const { size, mode, owner } = options;
    const settings = { mode: mode.toString(8), uid: owner.uid, gid: owner.gid, ...(size && { size }) };
    for (const [key, value] of Object.entries(settings)) configure(FSCONFIG_SET_STRING, key, String(value));
    configure(FSCONFIG_CMD_CREATE, null, null);
    const attributes = Number(MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV);
    return check("fsmount", syscall(NUMBER.fsmount, "int", context, "uint", CLOEXEC, "uint", attributes));
  } finally {
    closeSync(context);
  }
}

/** Puts a detached mount on an open file or folder, which no name has to be trusted for. move_mount(2). */
export function attachMount(mount: number, target: number): void {
  const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
  const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
  const to = ["int", target, "str", "", "uint", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH];
  check("move_mount", native().syscall(NUMBER.move_mount, "int", mount, "str", "", ...to));
}

/** Lets mounts that are made below this one appear in copies of it in other namespaces: mount_namespaces(7). */
export function shareMount(target: string): void {
  const MS_SHARED = 1 << 20;
  check("mount", native().mount("none", target, "none", MS_SHARED, ""));
}

/** Options of {@link mountIdmapped}. */
export interface IdmappedMount {
  /** A descriptor of the user namespace with the map. It is not closed. */
  readonly userNamespace: number;
  readonly readOnly: boolean;
}

/**
 * Mounts `source` at `target` a second time, with mapped owners. Needs Linux 5.12 and a file system that supports it, else
 * EINVAL.
 */
export function mountIdmapped(source: string, target: string, { userNamespace, readOnly }: IdmappedMount): void {
  const MOVE_MOUNT_F_EMPTY_PATH = 4;
  // A layer is read-only: removing the folder around a forgotten mount must not remove the mounted files.
  const set = MOUNT_ATTR.IDMAP | (readOnly ? MOUNT_ATTR.RDONLY : 0n);
  const tree = cloneMount(source, { set, userNamespace });
  try {
    const to = ["int", AT_FDCWD, "str", target, "uint", MOVE_MOUNT_F_EMPTY_PATH];
    check("move_mount", native().syscall(NUMBER.move_mount, "int", tree, "str", "", ...to));
  } finally {
    closeSync(tree);
  }
}

interface MountAttributes {
  readonly set: bigint;
  readonly propagation?: bigint;
  readonly userNamespace?: number | undefined;
  readonly recursive?: boolean;
}

/** Close-on-exec. */
function cloneMount(path: string, attributes: MountAttributes): number {
  const { set, propagation = 0n, userNamespace = 0, recursive = false } = attributes;
  const OPEN_TREE_CLONE = 1;
  const O_CLOEXEC = 0o2000000;
  const { syscall } = native();
  const below = recursive ? AT_RECURSIVE : 0;
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | below;
  const tree = check("open_tree", syscall(NUMBER.open_tree, "int", AT_FDCWD, "str", path, "uint", flags));
  try {
    // struct mount_attr: attributes to set, attributes to clear, the propagation, the user namespace.
    const all = Buffer.alloc(32);
    all.writeBigUInt64LE(set, 0);
    all.writeBigUInt64LE(propagation, 16);
    all.writeBigUInt64LE(BigInt(userNamespace), 24);
    const what = ["uint", AT_EMPTY_PATH | below, "uint8_t *", all, "size_t", all.length];
    check("mount_setattr", syscall(NUMBER.mount_setattr, "int", tree, "str", "", ...what));
    return tree;
  } catch (error) {
    closeSync(tree);
    throw error;
  }
}
