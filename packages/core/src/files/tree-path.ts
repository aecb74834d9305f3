/** The folder that holds a path's last component, and that component; `"."` where the path names the folder itself. */
export function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const trimmed = path.replace(/\/+$/, "");
  const cut = trimmed.lastIndexOf("/");
  const name = trimmed.slice(cut + 1);
  // Nothing lexical is done about "..": what it leads to depends on symlinks, which the access resolves.
  if (name === "" || name === "." || name === "..") return { parent: trimmed === "" ? "/" : trimmed, name: "." };
  return { parent: cut <= 0 ? "/" : trimmed.slice(0, cut), name };
}

/** `name` within the folder `path`, where `"."` is the folder itself. */
export function joinPath(path: string, name: string): string {
  return name === "." ? path : `${path === "/" ? "" : path}/${name}`;
}
