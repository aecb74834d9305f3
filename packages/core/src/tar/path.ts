import { ImageError } from "../errors/all.ts";
import { shown } from "./entry.ts";

// linux/limits.h: PATH_MAX with its NUL, NAME_MAX.
const PATH_MAX = 4096;
const NAME_MAX = 255;

/**
 * The components of a name in an image, all of them beneath the root: `./a//b/` is `["a", "b"]`; the root itself (`.`,
 * `./`, `/`) is `[]`. A leading slash means the image's root, as in Docker.
 *
 * @throws {ImageError} for a `..` anywhere, a NUL, and names that no file system accepts.
 */
export function imagePath(image: string, name: string): string[] {
  return components(image, name, name);
}

/** The components of a hard link's target. A leading slash means the image's root, as in Docker. */
export function linkPath(image: string, name: string, target: string): string[] {
  const parts = components(image, target, name);
  if (parts.length === 0) throw new ImageError(image, `the tar entry ${shown(name)} is a hard link to the root`);
  return parts;
}

function components(image: string, path: string, name: string): string[] {
  const refuse = (why: string): never => {
    throw new ImageError(image, `the tar entry ${shown(name)} ${why}`);
  };
  if (path === "") refuse("has an empty name");
  if (path.length >= PATH_MAX) refuse(`has a name of ${path.length} bytes`);
  if (path.includes("\0")) refuse("has NUL in its name");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  for (const part of parts) {
    if (part === "..") refuse('leaves the root: it has ".." in it');
    if (part.length > NAME_MAX) refuse(`has a component of ${part.length} bytes`);
  }
  return parts;
}
