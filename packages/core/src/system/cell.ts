import { closeSync, existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { detachedMount } from "./detached-mount.ts";
import { findTool, missingTool } from "./find-tool.ts";

/** How to run a tool that can write at most below one folder. Dispose it once the tool has started. */
export interface Cell extends Disposable {
  /** Put this before the argv of the tool. */
  readonly argv: readonly string[];
  /** The descriptors that the tool must inherit, as 3, 4 and so on. */
  readonly descriptors: readonly number[];
}

/**
 * Confines `tool`: it runs with `folder` as its working directory and cannot write anywhere else, neither by an
 * absolute path, nor by `..`, nor through a symlink; with `readOnly` it cannot write in `folder` either. Its root is this machine's file system, read-only and without
 * other mounts; its working directory has no parent. This makes no namespace and costs one more execve(2).
 *
 * It is a second barrier for a tool that reads untrusted input and is expected to stay in its folder. The tool is still
 * root.
 *
 * `undefined` when this host cannot do it: see {@link whyNoCell}.
 */
export function openCell(folder: string, tool: string, { readOnly = false } = {}): Cell | undefined {
  const root = openRoot(tool);
  if (typeof root === "string") return undefined;
  let work: number;
  try {
    work = detachedMount(folder, { readOnly });
  } catch (error) {
    closeSync(root);
    throw error;
  }
  return {
    // nsenter(1) from util-linux 2.41 on refuses to run without a namespace to enter: this is the present one.
    argv: ["nsenter", "--uts=/proc/self/ns/uts", "--root=/proc/self/fd/3", "--wd=/proc/self/fd/4", "--"],
    descriptors: [root, work],
    [Symbol.dispose]: () => {
      for (const descriptor of [root, work]) closeSync(descriptor);
    },
  };
}

/** Why {@link openCell} cannot confine a tool here; `undefined` when it can. */
export function whyNoCell(tool: string): string | undefined {
  const root = openRoot(tool);
  if (typeof root === "string") return root;
  closeSync(root);
  return undefined;
}

/** A descriptor of the root for a confined tool, or the reason why there is none. */
function openRoot(tool: string): number | string {
  if (process.geteuid?.() !== 0) return "only root can";
  const path = findTool(tool);
  if (findTool("nsenter") === undefined || path === undefined)
    return missingTool(path === undefined ? tool : "nsenter", undefined).fix;
  let root: number;
  try {
    root = detachedMount("/", { readOnly: true });
  } catch (error) {
    // In a container without CAP_SYS_ADMIN, or before Linux 5.12.
    return (error as Error).message;
  }
  if (existsSync(join(`/proc/self/fd/${root}`, realpathSync(path)))) return root;
  closeSync(root);
  return `${path} is on a file system of its own`;
}
