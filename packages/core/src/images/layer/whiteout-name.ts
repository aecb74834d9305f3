// OCI image-spec, layer.md, "Whiteouts": all names of this prefix are reserved.
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Of AUFS itself, and no whiteouts. */
const AUFS = ".wh..wh.";

export function isWhiteout(name: string): boolean {
  return name.startsWith(WHITEOUT);
}

/** A whiteout of all that its folder has in lower layers. */
export function isOpaqueMark(name: string): boolean {
  return name === OPAQUE;
}

export function isOfAufs(name: string): boolean {
  return name.startsWith(AUFS);
}

/** The name beside it that a whiteout hides, or nothing where it names none. */
export function hiddenBy(name: string): string | undefined {
  const hidden = name.slice(WHITEOUT.length);
  return hidden === "" || hidden === "." || hidden === ".." ? undefined : hidden;
}
