/**
 * `@pileus/core/files`: the contract's file operations over a tree of files that this process can reach, the accounts
 * in such a tree, and the processes that a program started.
 *
 * For drivers whose instances' files are local (containers) and for the guest agent (the whole guest). Imports neither
 * the FFI nor a tool, so that it can be bundled into the agent. Not for callers, who use `instance.files`. Start at
 * `local-files.ts`.
 */

export { DETACHED_KEPT } from "../contract/backend-detached.ts";
export { killDescendants } from "../processes/descendants.ts";
export { LeftGroup } from "../processes/left-group.ts";
export {
  type NewProcess,
  posixSpawn,
  reapChild,
  SPAWN_DECLARATIONS,
  type SpawnCalls,
  type Spawned,
} from "../processes/posix-spawn.ts";
export type { ProcessIds } from "../processes/process-ids.ts";
export type { Extent } from "../tar/entry.ts";
export { parseJson } from "../text/bounded-json.ts";
export { isNameText, nameBytes, nameText } from "../text/byte-name.ts";
export { printable } from "../text/printable.ts";
export { type Account, findAccount, type UnknownAccount } from "./accounts.ts";
export { type FileCalls, fileCalls } from "./file-calls.ts";
export { LocalFiles } from "./local-files.ts";
export { plainAccess } from "./plain-access.ts";
export { parseSignal, signalName } from "./signal-name.ts";
export type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
export { waitStatus } from "./wait-status.ts";
