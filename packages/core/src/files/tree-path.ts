import { nameBytes, nameText } from "../text/byte-name.ts";

/** The folder that holds a path's last component, and that component; `"."` where the path names the folder itself. */
export function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const trimmed = path.replace(/\/+$/, "");
  const cut = trimmed.lastIndexOf("/");
  const name = trimmed.slice(cut + 1);
  // ".." is not resolved lexically: what it leads to depends on symlinks, which the access resolves.
  if (name === "" || name === "." || name === "..") return { parent: trimmed === "" ? "/" : trimmed, name: "." };
  return { parent: cut <= 0 ? "/" : trimmed.slice(0, cut), name };
}

/** `name` within the folder `path`, where `"."` is the folder itself. */
export function joinPath(path: string, name: string): string {
  return name === "." ? path : `${path === "/" ? "" : path}/${name}`;
}

/** Most bytes of a name in a tree. It exceeds a path's limit (PATH_MAX), because a tree is walked folder by folder. */
export const MAX_NAME = 64 * 1024;

/**
 * The normalised name of an archive's entry, a byte string: `"a/b"`, and `""` for the root of the tree. `undefined` for
 * a name that does not lead down: an archive of a tree has no use for it.
 */
export function treeName(name: string): string | undefined {
  if (name === "" || name.startsWith("/") || name.includes("\0") || name.length > MAX_NAME) return undefined;
  if (!/(?:^|\/)\.{0,2}(?:\/|$)/.test(name)) return name;
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  return parts.includes("..") ? undefined : parts.join("/");
}

/**
 * The name of the folder that holds `name`, as {@link treeName} returns it; `undefined` for the folder above the root.
 */
export function folderOfName(name: string): string | undefined {
  return name === "" ? undefined : name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

/** The last component of such a name. */
export function lastOfName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The last component of an entry's path, in the tree at the path `root`, as a byte string. */
export function entryName(root: string, name: string): string {
  return name === "" ? nameBytes(splitPath(root).name).toString("latin1") : lastOfName(name);
}

/** The path of an entry, in the tree at the path `root`, as text. */
export function entryPath(root: string, name: string): string {
  return joinPath(root, name === "" ? "." : nameText(Buffer.from(name, "latin1")));
}

/** Whether the folder `name` is `here` or lies in it; `undefined` is the folder above the root. */
export function isWithin(name: string | undefined, here: string | undefined): boolean {
  if (here === undefined) return true;
  if (name === undefined) return false;
  return here === "" || name === here || (name.startsWith(here) && name[here.length] === "/");
}
