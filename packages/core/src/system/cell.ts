import { closeSync, existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { findTool, missingTool } from "./find-tool.ts";
import { detachedMount } from "./syscall.ts";

/** How to run a tool that can write below one folder alone. Dispose of it once the tool has started. */
export interface Cell extends Disposable {
  /** What comes before its argv. */
  readonly argv: readonly string[];
  /** What it must inherit, as its 3, 4 and so on. */
  readonly descriptors: readonly number[];
}

/**
 * A cell for `tool`: it runs with `folder` as its working directory and with no way to write anywhere else: not by an absolute
 * name, by `..`, nor through a symlink. Its root is this machine's own file system, read-only and without what is
 * mounted in it; its working directory is one that nothing lies above. It needs no namespace, and costs one more
 * execve(2).
 *
 * For one that reads what a stranger made and is trusted to hold to its folder: a second wall. It is still root.
 *
 * `undefined` where this host has no such wall: {@link whyNoCell}.
 */
export function openCell(folder: string, tool: string): Cell | undefined {
  const root = openRoot(tool);
  if (typeof root === "string") return undefined;
  let work: number;
  try {
    work = detachedMount(folder, { readOnly: false });
  } catch (error) {
    closeSync(root);
    throw error;
  }
  return {
    argv: ["nsenter", "--root=/proc/self/fd/3", "--wd=/proc/self/fd/4", "--"],
    descriptors: [root, work],
    [Symbol.dispose]: () => {
      for (const descriptor of [root, work]) closeSync(descriptor);
    },
  };
}

/** Why {@link openCell} cannot hold a tool here; `undefined` where it can. */
export function whyNoCell(tool: string): string | undefined {
  const root = openRoot(tool);
  if (typeof root === "string") return root;
  closeSync(root);
  return undefined;
}

/** The root that a confined tool gets, or why there is none. */
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
