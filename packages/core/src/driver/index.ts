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
  BackendLaunchOptions,
  Driver,
  DriverContext,
  ExecRequest,
  IdmapRequest,
  InstanceContext,
  LiveChange,
  LogContext,
  PlainLogs,
  Plan,
  PlannedRun,
  Running,
  RunningCapabilities,
  RunningCore,
  RunningOperations,
} from "../contract/backend.ts";
export type { BackendConsole, ConsoleClaim } from "../contract/backend-console.ts";
export {
  type BackendDetached,
  type BackendDetachedProgram,
  DETACHED_KEPT,
  type DetachedOutputOptions,
  type DetachedRequest,
} from "../contract/backend-detached.ts";
export type { BackendProcess } from "../contract/backend-process.ts";
export type { ImageDescription, ImageDraft, ImageSourcePlugin, LayerSource } from "../contract/image-source.ts";
export type { HostReport } from "../contract/report.ts";

// — The types that these use —

export type {
  CanFreeze,
  CanMetrics,
  CanNetwork,
  Capability,
  DiskTraffic,
  InstanceMetrics,
  InterfaceAddress,
  LogStream,
  MemoryFigures,
  NicTraffic,
  Traffic,
} from "../contract/capability.ts";
export type { ConsoleWriter } from "../contract/console.ts";
export type { DetachedInfo, OutputChunk } from "../contract/detached.ts";
export type {
  DirectoryEntry,
  FileOperations,
  FileStat,
  FileType,
  MkdirOptions,
  OwnerOptions,
  RemoveOptions,
} from "../contract/files.ts";
export type { ImageTree } from "../contract/image-tree.ts";
export type { ImportOptions } from "../contract/images.ts";
export type { NicAttachment } from "../contract/nic-attachment.ts";
export { type DiskChangeOptions, DiskMounts, type DiskPlace } from "../device/disk-mounts.ts";
export type { InstanceRoot } from "../device/disk-target.ts";
export * from "../errors/all.ts";
export type { Abortable, Progress, ProgressOptions, Timed } from "../flow/abortable.ts";
export type { InstanceConfig } from "../model/config.ts";
export type { IdmapMode } from "../model/idmap.ts";
export type { Image, Layer } from "../model/image.ts";
export type { Limits } from "../model/limits.ts";
export type { LogBounds } from "../model/log-bounds.ts";
export { ID_COUNT, type IdKind, type Idmap, type IdmapLine } from "../terms/idmap.ts";
export type { InstanceKind } from "../terms/instance-kind.ts";
export type { ExitStatus, SignalName } from "../terms/state.ts";
export type { TerminalSize } from "../terms/terminal-size.ts";

// — Helpers for any driver —

export { allOrNothing, CleanupStack, joinFailures, type Undo } from "../flow/cleanup.ts";
export {
  abortable,
  Deadline,
  type DeadlineOptions,
  type LinkedSignal,
  linkSignals,
  withDeadline,
} from "../flow/deadline.ts";
export { RegistryOptionsSchema } from "../images/import-options.ts";
export { keeperConsole } from "../keeper/console.ts";
export { KeptPrograms, type KeptProgramsOptions, type LaunchKept } from "../keeper/detached/kept-programs.ts";
export { LOG_KEPT, type LogQuery, openKeeperLog } from "../keeper/log/open.ts";
export { TimeoutSchema } from "../model/amount.ts";
export { refusedArguments } from "../model/arguments.ts";
export { SignalSchema } from "../model/call-options.ts";
export { ArgumentSchema, argvIssue } from "../model/exec.ts";
export { HostPathSchema } from "../model/host-path.ts";
export { type IdmapSettings, type IdmapSettingsInput, IdmapSettingsSchema } from "../model/idmap.ts";
export { parse } from "../model/parse.ts";
export { parseProcessors } from "../model/processor-set.ts";
export { recordOf } from "../model/record-of.ts";
export { objectAs, type SchemaWords, wording } from "../model/wording.ts";
export { parseExposedPorts } from "../terms/exposed-ports.ts";
export type { Frozen, Holds, Same } from "../terms/same.ts";
export { boundLog } from "./bounded-log.ts";
export { findUser, unknownAccount } from "./find-user.ts";
export { type LaunchOptions, launch } from "./launch.ts";
export { type DeviceEffect, type PlanRules, renderPlan } from "./plan.ts";
export { ProgramGroup } from "./program-group.ts";
export { programOnPipes } from "./program-on-pipes.ts";
export { programOnTerminal, type TerminalProgram } from "./program-on-terminal.ts";
export { type DetachedProgram, type SpawnDetachedOptions, spawnDetached } from "./spawn-detached.ts";

// — The keeper of a run: its streams, its log and its end —

export { keeperAccounts, keeperAccountsIn } from "../keeper/accounts.ts";
export { type KeeperExit, readKeeperExit } from "../keeper/exit-record.ts";
export { errnoName, type KeeperFailure, killedHolder, STEP, startError } from "../keeper/failure.ts";
export { type FollowKeeperOptions, followKeeper, identifyHolder } from "../keeper/follow.ts";
export { livingKeeper, readHeldRun } from "../keeper/held-run.ts";
export { findKeeper, Keeper, type KeeperEvents } from "../keeper/keeper.ts";
export { findKeptRun, KeptRun, startKeptRun } from "../keeper/kept-run.ts";
export {
  type BeginOptions,
  type KeeperFolders,
  type KeeperStarter,
  type LaunchedKeeper,
  type LaunchKeeperOptions,
  launchKeeper,
  type ResumeKeeperOptions,
  resumeKeeper,
} from "../keeper/launch.ts";
export type { KeeperState, KeeperWriter } from "../keeper/messages.ts";
export type { HeldRun, KeeperAccounts, KeeperLog, KeeperOrder } from "../keeper/order.ts";
export { KeeperStream, type KeeperStreamOptions, openKeeperStream } from "../keeper/stream.ts";
export { type SucceedKeeperOptions, succeedKeeper } from "../keeper/succeed.ts";

// — The host: tools, processes, files, mounts, interfaces —

export { SPARE_ID } from "../idmap/host-ids.ts";
export { reportIds } from "../idmap/report-ids.ts";
export { assertDiskSize } from "../images/disk/size.ts";
export { createTap, joinBridge, type LinkOptions, removeInterface, type TapOptions } from "../network/link.ts";
export { renderHosts, renderResolvConf, STANDARD_HOSTS } from "../network/name-files.ts";
export { broadcastAddress } from "../network/subnet.ts";
export { openTap } from "../network/tap-device.ts";
export { readTraffic } from "../network/traffic.ts";
export { hostArchitecture } from "../system/architecture.ts";
export type { Bounds } from "../system/bounded.ts";
export { CgroupLayout, type ControllerMount, isWritableFolder, readCgroupLayout } from "../system/cgroup.ts";
export { type Child, type ChildOptions, commandEnd, startChild } from "../system/child.ts";
export { type ContainedAccessOptions, containedAccess, fileStamp } from "../system/contained-access.ts";
export { pipe, sealedFile } from "../system/descriptor.ts";
export { sendDescriptors, socketPair } from "../system/descriptor-socket.ts";
export { shareMount } from "../system/detached-mount.ts";
export { isDiskFull } from "../system/disk-full.ts";
export { findProcesses } from "../system/find-process.ts";
export { findTool, missingTool, missingTools } from "../system/find-tool.ts";
export { hostFailure } from "../system/host-failure.ts";
export { idsInside, isInside, type MapLine, mapLines, ownerOutside } from "../system/idmap.ts";
export { LAUNCH_HELPER, launchArgv } from "../system/launch-helper.ts";
export { acquireLock, isHeld, type Lock, type LockOptions, spawnUnder, tryLock } from "../system/lock.ts";
export { makeFolders } from "../system/make-folders.ts";
export { mountMemory, mountOverlay, type OverlayMount, unmountBelow } from "../system/mount.ts";
export { mountsBelow } from "../system/mounts.ts";
export { canMountOverlay, type ReadHostFile } from "../system/overlay.ts";
export {
  inOwnCgroup,
  type OwnCgroup,
  ownCgroup,
  ownCgroupFolders,
  removeOwnCgroup,
} from "../system/own-cgroup.ts";
export {
  endsWithin,
  identifyChild,
  identifyProcess,
  isAlive,
  isSameStart,
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
export { SealedHelper } from "../system/sealed-helper.ts";
export { type Spawn, type SpawnOptions, spawn } from "../system/spawn.ts";
export { TOOL_ENV } from "../system/tool-env.ts";
export { connectUnix, listenUnix } from "../system/unix-socket.ts";
export { namespaceError, renderIdmap } from "../system/user-namespace.ts";

// — Untrusted text —

export { type JsonBounds, MAX_JSON_DEPTH, parseJson } from "../text/bounded-json.ts";
export { printable } from "../text/printable.ts";
export * as z from "./zod.ts";
