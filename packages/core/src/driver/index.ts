/**
 * What authors of drivers import: the interface that a driver implements, all types that it uses, and the helpers that
 * the drivers of Pileus use.
 *
 * Start reading at `backend.ts`: a package exports a function that returns a `Driver`, its `open()` returns a
 * `Backend`, whose `launch()` and `adopt()` return a `Running`. Not for users of instances: they start at
 * `@pileus/core`. The conformance kit for tests is `@pileus/core/testing`. The guide is docs/writing-a-driver.md.
 * Durations are milliseconds and sizes are bytes, everywhere.
 */

// — What a driver is —

export type {
  AnyDriver,
  Backend,
  Driver,
  DriverContext,
  ExecRequest,
  HostReport,
  IdmapRequest,
  InstanceContext,
  Plan,
  Running,
  RunningCapabilities,
  RunningCore,
  RunningOperations,
} from "./backend.ts";
export type { ImageDescription, ImageDraft, ImageSourcePlugin, LayerSource } from "./image-source.ts";
export type { BackendProcess } from "./process.ts";

// — The types that these use —

export type { Abortable, Progress, ProgressOptions, Timed } from "../contract/abortable.ts";
export type {
  CanFreeze,
  CanMetrics,
  CanNetwork,
  Capability,
  InstanceMetrics,
  InterfaceAddress,
  LogStream,
} from "../contract/capability.ts";
export * from "../contract/errors.ts";
export type {
  DirectoryEntry,
  FileOperations,
  FileStat,
  FileType,
  MkdirOptions,
  OwnerOptions,
  RemoveOptions,
} from "../contract/files.ts";
export type { ImportOptions } from "../contract/images.ts";
export type { InstanceKind } from "../contract/instance.ts";
export type { TerminalSize } from "../contract/process.ts";
export type { ExitStatus, SignalName } from "../contract/state.ts";
export type { ImageTree } from "../images/tree.ts";
export type { InstanceConfig } from "../model/config.ts";
export type { IdmapMode } from "../model/idmap.ts";
export type { Image, Layer } from "../model/image.ts";
export type { Limits } from "../model/limits.ts";
export type { NicAttachment } from "../network/attachment.ts";

// — Helpers for any driver —

export { RegistryOptionsSchema } from "../images/import-options.ts";
export { TimeoutSchema } from "../model/amount.ts";
export { refusedArguments } from "../model/arguments.ts";
export { SignalSchema } from "../model/call-options.ts";
export { ArgumentSchema, argvIssue } from "../model/exec.ts";
export { parseExposedPorts } from "../model/exposed-ports.ts";
export { HostPathSchema } from "../model/host-path.ts";
export { type IdmapSettings, type IdmapSettingsInput, IdmapSettingsSchema } from "../model/idmap.ts";
export { parse } from "../model/parse.ts";
export type { Frozen, Holds, Same } from "../model/same.ts";
export { objectAs, type SchemaWords, wording } from "../model/wording.ts";
export { boundLog, LOG_KEPT } from "./bounded-log.ts";
export { allOrNothing, CleanupStack, joinFailures, type Undo } from "./cleanup.ts";
export { abortable, Deadline, type DeadlineOptions, type LinkedSignal, linkSignals, withDeadline } from "./deadline.ts";
export { findUser } from "./find-user.ts";
export { type LogFileOptions, readLogFile } from "./log-file.ts";
export { type PlanRules, renderPlan } from "./plan.ts";
export { ProgramGroup } from "./program-group.ts";
export { programOnPipes } from "./program-on-pipes.ts";
export { programOnTerminal, type TerminalProgram } from "./program-on-terminal.ts";
export { type DetachedProgram, type SpawnDetachedOptions, spawnDetached } from "./spawn-detached.ts";

// — The host: tools, processes, files, mounts, interfaces —

export { acquireLock, isHeld, type Lock, type LockOptions, tryLock } from "../engine/lock.ts";
export { reportIds } from "../idmap/report-ids.ts";
export { assertDiskSize } from "../images/disk/size.ts";
export { createTap, joinBridge, type LinkOptions, removeInterface, type TapOptions } from "../network/link.ts";
export { renderHosts, renderResolvConf, STANDARD_HOSTS } from "../network/name-files.ts";
export { openTap } from "../network/tap-device.ts";
export { hostArchitecture } from "../system/architecture.ts";
export type { Bounds } from "../system/bounded.ts";
export { ByteCollector } from "../system/byte-collector.ts";
export { CgroupLayout, type ControllerMount, readCgroupLayout } from "../system/cgroup.ts";
export { type ContainedAccessOptions, containedAccess } from "../system/contained-access.ts";
export { makeFifo, pipe, punchHole, reserveSpace, sealedFile } from "../system/descriptor.ts";
export { sendDescriptors, socketPair } from "../system/descriptor-socket.ts";
export { isDiskFull } from "../system/disk-full.ts";
export { findProcesses } from "../system/find-process.ts";
export { findTool, missingTool, missingTools } from "../system/find-tool.ts";
export { hostFailure } from "../system/host-failure.ts";
export { type Idmap, idInside, idOutside } from "../system/idmap.ts";
export { mountMemory, mountOverlay, type OverlayMount, unmountBelow } from "../system/mount.ts";
export { mountsBelow } from "../system/mounts.ts";
export { canMountOverlay, type ReadHostFile } from "../system/overlay.ts";
export { cgroupFailure, inOwnCgroup, removeOwnCgroup } from "../system/own-cgroup.ts";
export {
  identifyChild,
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  ProcessIdentitySchema,
  type ProcessStat,
  parseProcessStat,
  processArguments,
  signalProcess,
  waitForEnd,
} from "../system/process-identity.ts";
export { readIfThere, readIfThereSync } from "../system/read-if-there.ts";
export { replaceFile } from "../system/replace-file.ts";
export { type Spawn, type SpawnOptions, spawn } from "../system/spawn.ts";
export { connectAbstractSocket } from "../system/syscall.ts";
export { TOOL_ENV } from "../system/tool-env.ts";
export { connectUnix, listenUnix } from "../system/unix-socket.ts";
export { openUserNamespace, type UserNamespaceOptions } from "../system/user-namespace.ts";

// — Untrusted text —

export { type JsonBounds, MAX_JSON_DEPTH, parseJson } from "../text/bounded-json.ts";
export { printable } from "../text/printable.ts";
