export type { InstanceMetrics, InterfaceAddress, LogStream } from "../contract/capability.ts";
export * from "../contract/errors.ts";
export type { FileOperations } from "../contract/files.ts";
export { acquireLock, type Lock, type LockOptions } from "../engine/lock.ts";
export type { ImageTree } from "../images/tree.ts";
export type { Limits } from "../model/limits.ts";
export { parse } from "../model/parse.ts";
export type { NicAttachment } from "../network/attachment.ts";
export { createTap, joinBridge, type LinkOptions, removeInterface, type TapOptions } from "../network/link.ts";
export { CgroupLayout, type ControllerMount, readCgroupLayout } from "../system/cgroup.ts";
export { type ContainedAccessOptions, containedAccess } from "../system/contained-access.ts";
export { pipe, sealedFile } from "../system/descriptor.ts";
export { findTool } from "../system/find-tool.ts";
export { type Idmap, idInside, idOutside, openUserNamespace } from "../system/idmap.ts";
export { mountOverlay, type OverlayMount, unmountBelow } from "../system/mount.ts";
export { mountsBelow } from "../system/mounts.ts";
export {
  identifyChild,
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  ProcessIdentitySchema,
  parseProcessStat,
  processArguments,
  signalProcess,
  waitForEnd,
} from "../system/process-identity.ts";
export { replaceFile } from "../system/replace-file.ts";
export { type Spawn, type SpawnOptions, spawn, TOOL_ENV } from "../system/spawn.ts";
export { connectAbstractSocket } from "../system/syscall.ts";
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
export { allOrNothing, CleanupStack, joinFailures, type Undo } from "./cleanup.ts";
export { abortable, Deadline, type DeadlineOptions, type LinkedSignal, linkSignals, withDeadline } from "./deadline.ts";
export type { ImageDescription, ImageDraft, ImageSourcePlugin, LayerSource } from "./image-source.ts";
export { type PlanRules, renderPlan } from "./plan.ts";
export type { BackendProcess } from "./process.ts";
