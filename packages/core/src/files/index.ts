/**
 * `@pileus/core/files`: the contract's file operations over a tree of files that this process can reach, and the
 * accounts in such a tree.
 *
 * For drivers whose instances' files are local (containers) and for the guest agent (the whole guest). Imports neither
 * the FFI nor a tool, so that it can be bundled into the agent. Not for callers, who use `instance.files`. Start at
 * `local-files.ts`.
 */
// The agent parses its host's messages with the same care.

export type { Extent } from "../tar/entry.ts";
export { parseJson } from "../text/bounded-json.ts";
export { printable } from "../text/printable.ts";
export { type Account, findAccount, type UnknownAccount } from "./accounts.ts";
export { isNameText, nameBytes, nameText } from "./byte-name.ts";
export { type FileCalls, fileCalls } from "./file-calls.ts";
export { LocalFiles } from "./local-files.ts";
export { plainAccess } from "./plain-access.ts";
export { parseSignal, signalName } from "./signal-name.ts";
export type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
