import { shown } from "../../tar/entry.ts";
import type { LayerBudget } from "./budget.ts";
import { type LowerEntry, type LowerLayers, MAX_SYMLINKS, symlinkTarget } from "./lower-layers.ts";
import { below, childOf, type FolderNode } from "./nodes.ts";
import type { Whiteouts } from "./whiteouts.ts";

/** A folder that a name leads to, in the tree of this layer over those beneath. */
export interface Reached {
  /** From the root. */
  readonly names: readonly string[];
  readonly path: string;
  /** Absent if only lower layers have it, and the walk does not make folders. */
  readonly folder: FolderNode | undefined;
  /** Whether its content in lower layers is hidden. */
  readonly concealed: boolean;
}

/**
 * The purpose of the walk. `make`: an entry will be put there, so missing folders are made, like those of lower layers.
 * `link`: the target of a hard link is looked up. `hide`: a whiteout concerns only lower layers, where symlinks of this
 * layer do not lead.
 */
export type Purpose = "make" | "link" | "hide";

/** The part of the filter that a walk needs. */
export interface WalkContext {
  readonly root: FolderNode;
  readonly lower: LowerLayers;
  readonly whiteouts: Whiteouts;
  readonly budget: LayerBudget;
  /** Makes a folder that no entry lists, like that of the layers beneath, for the sake of `entry`. */
  imply(parent: FolderNode, name: string, path: string, lower: LowerEntry | undefined, entry: string): FolderNode;
  refuse(name: string, why: string): never;
}

interface Step extends Reached {
  readonly bytes: number;
}

/**
 * Walks `parts` from the root, through this layer's own folders and symlinks, then those of the layers beneath, as
 * Docker and containerd do (a layer for `/bin/x` on a merged `/usr`). It stays within the root: `..` of a link does not
 * leave it, and an absolute link starts from it. Returns nothing if the folder does not exist and is not to be made.
 */
export function walk(
  context: WalkContext,
  name: string,
  parts: readonly string[],
  purpose: Purpose,
): { readonly reached: Reached | undefined; readonly detour: boolean } {
  const { lower, whiteouts, budget } = context;
  const root = { names: [], path: "", folder: context.root, bytes: -1, concealed: whiteouts.isOpaque("") };
  let stack: [Step, ...Step[]] = [root];
  let symlinks = 0;
  const todo = [...parts].reverse();
  const follow = (target: string) => {
    if (++symlinks > MAX_SYMLINKS) context.refuse(name, "goes through too many symlinks");
    budget.follow(name, target);
    if (target.startsWith("/")) stack = [root];
    todo.push(...target.split("/").reverse());
  };
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (stack.length > 1) stack.pop();
      continue;
    }
    const at = stack.at(-1) as Step;
    const path = below(at.path, part);
    const bytes = at.bytes + 1 + part.length;
    budget.path(name, stack.length, bytes);
    const node = childOf(at.folder, part);
    if (node?.kind === "symlink" && purpose !== "hide") {
      follow(node.target);
      continue;
    }
    if (node !== undefined && node.kind !== "directory") {
      if (purpose !== "make") return { reached: undefined, detour: symlinks > 0 };
      context.refuse(name, `lies beneath ${shown(path)}, which is not a folder`);
    }
    const hidden = at.concealed || whiteouts.hides(path);
    const names = [...at.names, part];
    let folder: FolderNode | undefined = node;
    if (folder === undefined) {
      const found = hidden ? undefined : lower.find(names);
      if (found?.kind === "symlink") {
        follow(symlinkTarget(found));
        continue;
      }
      if (purpose === "make") folder = context.imply(at.folder as FolderNode, part, path, found, name);
      else if (found?.kind !== "directory") return { reached: undefined, detour: symlinks > 0 };
    }
    stack.push({ names, path, folder, bytes, concealed: hidden || whiteouts.isOpaque(path) });
  }
  return { reached: stack.at(-1), detour: symlinks > 0 };
}
