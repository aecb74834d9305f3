/**
 * `@pileus/core/files`: the contract's file operations over a tree of files that this process can reach.
 *
 * For drivers whose instances' files are local (containers) and for the guest agent (the whole guest). Imports neither the FFI nor
 * a tool, so that it can be bundled into the agent. Not for callers, who use `instance.files`. Start at `local-files.ts`.
 */
export { LocalFiles } from "./local-files.ts";
export { plainAccess } from "./plain-access.ts";
export type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
