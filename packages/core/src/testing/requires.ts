import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { canMountOverlay } from "../system/overlay.ts";

/** What a test needs of the machine. */
export type Need =
  /** The effective user is 0. */
  | "root"
  /** `/dev/kvm` can be opened. The driver itself checks whether guests run well under it. */
  | "kvm"
  /** Control groups can be created, of either version. */
  | "cgroup"
  /** Only the unified hierarchy is mounted at `/sys/fs/cgroup`. */
  | "cgroup2"
  /** The kernel can mount overlayfs. */
  | "overlay"
  /** Virtual network interfaces: `/dev/net/tun`. */
  | "tun"
  /** A program on PATH. */
  | `binary:${string}`
  /** A file or folder that can be read. */
  | `file:${string}`;

/** What both vitest and `node:test` pass to a test. */
export interface SkipContext {
  /** Ends the test as skipped. */
  skip(reason?: string): void;
}

/** Why this machine does not meet a need; `undefined` if it does. */
export function lacking(need: Need): string | undefined {
  const [kind, subject = ""] = need.split(/:([\s\S]*)/, 2);
  switch (kind) {
    case "root":
      return process.geteuid?.() === 0 ? undefined : "not run as root";
    case "kvm":
      return accessible("/dev/kvm", constants.R_OK | constants.W_OK) ? undefined : "/dev/kvm cannot be opened";
    case "cgroup":
      return accessible("/sys/fs/cgroup", constants.W_OK) ? undefined : "/sys/fs/cgroup cannot be written";
    case "cgroup2":
      return accessible("/sys/fs/cgroup/cgroup.controllers") ? undefined : "/sys/fs/cgroup is not cgroup2";
    case "overlay":
      return canMountOverlay() ? undefined : "the kernel has no overlayfs";
    case "tun":
      return accessible("/dev/net/tun", constants.W_OK) ? undefined : "/dev/net/tun cannot be opened";
    case "binary":
      return onPath(subject) ? undefined : `${subject} is not on PATH`;
    case "file":
      return accessible(subject) ? undefined : `${subject} cannot be read`;
    default:
      throw new TypeError(`requires: no need is called "${need}"`);
  }
}

/**
 * A test that needs hardware, a tool or a right. When one is missing, the test is skipped with the reason; but it fails
 * if `PILEUS_REQUIRE` (a comma-separated list of needs, or `all`) promises it.
 */
export function requires<C extends SkipContext>(
  needs: readonly Need[],
  test: (context: C) => void | Promise<void>,
): (context: C) => Promise<void> {
  return async (context) => {
    const promised = new Set((process.env["PILEUS_REQUIRE"] ?? "").split(",").filter((word) => word !== ""));
    for (const need of needs) {
      const reason = lacking(need);
      if (reason === undefined) continue;
      if (promised.has(need) || promised.has("all")) throw new Error(`${need} is required here, but ${reason}`);
      // skip() of vitest throws, that of node:test returns.
      context.skip(`needs ${need}: ${reason}`);
      return;
    }
    await test(context);
  };
}

function accessible(path: string, mode: number = constants.R_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function onPath(name: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => folder !== "" && accessible(join(folder, name), constants.X_OK));
}
