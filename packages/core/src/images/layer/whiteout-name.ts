// OCI image-spec, layer.md, "Whiteouts": all names of this prefix are reserved.
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Names of AUFS itself, which are not whiteouts. */
const AUFS = ".wh..wh.";

export function isWhiteout(name: string): boolean {
  return name.startsWith(WHITEOUT);
}

/** The whiteout of everything that its folder has in lower layers. */
export function isOpaqueMark(name: string): boolean {
  return name === OPAQUE;
}

export function isOfAufs(name: string): boolean {
  return name.startsWith(AUFS);
}

/** The name that a whiteout hides in its folder, or nothing if it names none. */
export function hiddenBy(name: string): string | undefined {
  const hidden = name.slice(WHITEOUT.length);
  return hidden === "" || hidden === "." || hidden === ".." ? undefined : hidden;
}
