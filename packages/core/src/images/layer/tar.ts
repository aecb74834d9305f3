import { openCell } from "../../system/cell.ts";
import { startTool, type Tool, type ToolOptions } from "../tool.ts";

/**
 * Starts tar(1) to extract what comes to its standard input below `tree`, and nowhere else, whatever comes, where this
 * host has such a wall: {@link openCell}.
 */
export function startTar(tree: string, options: Omit<ToolOptions, "fromPackage" | "cell">): Tool {
  options.signal.throwIfAborted();
  using cell = openCell(tree, "tar");
  const argv = cell === undefined ? [...EXTRACT, `--directory=${tree}`] : EXTRACT;
  return startTool(argv, { ...options, fromPackage: "tar", cell });
}

const EXTRACT = [
  "tar",
  "--extract",
  "--file=-",
  "--numeric-owner",
  "--same-owner",
  "--same-permissions",
  // Not --delay-directory-restore, whose time grows with the square of the folders: they come again after what is in
  // them. Symlinks as they are and at once: tar puts off those that leave, and touches their folders after all. No
  // name of ours does.
  "--absolute-names",
  "--xattrs",
  "--xattrs-include=*",
  "--warning=no-timestamp",
  // Records of 256 KiB: fewer reads.
  "--blocking-factor=512",
];
