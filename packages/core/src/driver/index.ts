export type { FileOperations } from "../contract/files.ts";
export { acquireLock, type Lock, type LockOptions } from "../engine/lock.ts";
export type { ImageTree } from "../images/tree.ts";
export type { NicAttachment } from "../network/attachment.ts";
export {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  ProcessIdentitySchema,
  processArguments,
  signalProcess,
  waitForEnd,
} from "../system/process-identity.ts";
export { replaceFile } from "../system/replace-file.ts";
export { type Spawn, type SpawnOptions, spawn, TOOL_ENV } from "../system/spawn.ts";
export { connectUnix, listenUnix } from "../system/unix-socket.ts";
export type {
  Backend,
  Driver,
  DriverContext,
  ExecRequest,
  HostReport,
  InstanceContext,
  Plan,
  Running,
  RunningCapabilities,
  RunningCore,
  RunningOperations,
} from "./backend.ts";
export type { ImageDescription, ImageDraft, ImageSourcePlugin, LayerSource } from "./image-source.ts";
export type { BackendProcess } from "./process.ts";
