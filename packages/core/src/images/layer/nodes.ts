import type { TarEntry } from "../../tar/entry.ts";

/**
 * What a layer has at a path, as far as it was read. `place` is its present or future place in the unpacked tree:
 * mostly the path itself. No two nodes ever have the same place, so nothing is unpacked over another node's content.
 */
export type LayerNode = FolderNode | LeafNode;

export interface FolderNode {
  readonly kind: "directory";
  readonly place: string;
  /** The attributes of the last entry. Applied at the end, after the content of the folder. */
  entry: TarEntry;
  children?: Map<string, LayerNode>;
  /** Whether it hides its content in lower layers. */
  opaque?: true;
}

export type LeafNode = {
  readonly place: string;
  /** Whether anything was unpacked at the place: a later node must replace it, or be unpacked elsewhere. */
  readonly out: boolean;
} & (
  | { readonly kind: "file" }
  | SymlinkFacts
  /** A hard link to a file of a lower layer: made when everything is unpacked. */
  | { readonly kind: "lower-link"; readonly source: Buffer }
  /** A device node that is left out. */
  | { readonly kind: "device" }
  /** A 0/0 device, which overlayfs takes for "nothing here". */
  | { readonly kind: "whiteout" }
);

/** A symlink, or a hard link to one: written at the end. */
export interface SymlinkFacts {
  readonly kind: "symlink";
  readonly entry: TarEntry;
  readonly target: string;
  /** The symlink that a hard link leads to. */
  readonly of?: LeafNode & SymlinkFacts;
  written?: true;
}

/** A leaf before it has its place. */
export type LeafFacts = LeafNode extends infer N ? (N extends LeafNode ? Omit<N, "place" | "out"> : never) : never;

export function childOf(folder: FolderNode | undefined, name: string): LayerNode | undefined {
  return folder?.children?.get(name);
}

export function setChild(folder: FolderNode, name: string, node: LayerNode): void {
  folder.children ??= new Map();
  folder.children.set(name, node);
}

/** Joins a path, or a place, with a folder. The root is `""`. */
export function below(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** All nodes beneath a folder, each after its content. */
export function* deepestFirst(root: FolderNode): Generator<{ parent: FolderNode; name: string; node: LayerNode }> {
  const open = [{ name: "", folder: root, left: childrenOf(root) }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { done, value } = top.left.next();
    if (!done) {
      const [name, node] = value;
      if (node.kind === "directory") open.push({ name, folder: node, left: childrenOf(node) });
      else yield { parent: top.folder, name, node };
      continue;
    }
    open.pop();
    const parent = open.at(-1)?.folder;
    if (parent !== undefined) yield { parent, name: top.name, node: top.folder };
  }
}

function childrenOf(folder: FolderNode): Iterator<[string, LayerNode]> {
  return (folder.children ?? new Map<string, LayerNode>()).entries();
}
