import { startTool, type Tool, type ToolOptions } from "../../system/stream-tool.ts";

/**
 * Starts tar(1) to extract its standard input below `tree`. If this host supports {@link openCell}, tar can write
 * nowhere else, whatever the input is.
 */
export function startTar(tree: string, options: Omit<ToolOptions, "fromPackage" | "confinedTo">): Tool {
  return startTool(EXTRACT, { ...options, fromPackage: "tar", confinedTo: tree });
}

const EXTRACT = [
  "tar",
  "--extract",
  "--file=-",
  "--numeric-owner",
  "--same-owner",
  "--same-permissions",
  // Without --delay-directory-restore, whose time grows with the square of the number of folders: each folder comes
  // again after its content. With --absolute-names, symlinks are made at once as they are: otherwise tar puts off
  // symlinks that lead outside, and changes the times of their folders at the end. No name of ours leads outside.
  "--absolute-names",
  "--xattrs",
  "--xattrs-include=*",
  "--warning=no-timestamp",
  // Records of 256 KiB: fewer reads.
  "--blocking-factor=512",
];
