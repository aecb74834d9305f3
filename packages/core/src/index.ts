/**
 * The contract of Pileus and the host that serves it.
 *
 * For callers: open a host with `openHost({ root, drivers })`, then create, start and use instances through it.
 * Not for authors of drivers, who begin at `@pileus/core/driver`, nor for their tests (`@pileus/core/testing`).
 * Start reading at `contract/instance.ts`. Durations are milliseconds and sizes are bytes, everywhere.
 */

// — The host —

export type { AnyDriver, Driver, Plan } from "./contract/backend.ts";
export type * from "./contract/host.ts";
export type { HostReport } from "./contract/report.ts";
export { openHost } from "./host.ts";

// — Instances —

export type {
  Emitter,
  EventFacts,
  InstanceEvent,
  InstanceEvents,
  MadeChange,
  Watchable,
  WatchOptions,
} from "./contract/events.ts";
export type * from "./contract/instance.ts";
export type { ExposedPort } from "./terms/exposed-ports.ts";
export type { InstanceKind } from "./terms/instance-kind.ts";
export {
  type ExitStatus,
  type InstanceExit,
  type InstanceState,
  type InstanceUsage,
  type SignalName,
  TRANSITIONS,
} from "./terms/state.ts";

// — What instances can do —

export {
  CAPABILITIES,
  type CanFreeze,
  type CanLogs,
  type CanMetrics,
  type CanNetwork,
  type CanReboot,
  type Capability,
  type CapabilityOperations,
  type DiskTraffic,
  type InstanceMetrics,
  type InterfaceAddress,
  LOG_STREAMS,
  type LogOptions,
  type LogStream,
  type MemoryFigures,
  type NicTraffic,
  type OperationsOf,
  type Traffic,
} from "./contract/capability.ts";
export type { CanUpdate, CommonChange, ConfigChange, DetachOptions } from "./contract/change.ts";
export type * from "./contract/console.ts";
export type * from "./contract/detached.ts";
export type * from "./contract/files.ts";
export type * from "./contract/process.ts";
export type * from "./contract/run.ts";
export type { RunResult } from "./terms/run-result.ts";
export type { TerminalSize } from "./terms/terminal-size.ts";

// — Images and networks —

export type * from "./contract/images.ts";
export type * from "./contract/networks.ts";
export type { DebianBootstrap } from "./model/debian.ts";

// — Options and errors of every call —

export * from "./errors/all.ts";
export type { Abortable, Progress, ProgressOptions, Timed } from "./flow/abortable.ts";
export { Deadline, type DeadlineOptions, type LinkedSignal, linkSignals } from "./flow/deadline.ts";

// — Configuration: each schema with its types —

export * from "./model/config.ts";
export * from "./model/device/device.ts";
export { type Disk, type DiskInput, DiskSchema } from "./model/device/disk.ts";
export { type Nic, type NicInput, type NicIpv4, NicSchema } from "./model/device/nic.ts";
export type { VolumeInput } from "./model/device/volume.ts";
export type { EgressInput } from "./model/egress.ts";
export type { HostAccessInput } from "./model/host-access.ts";
export type { IdmapMode, IdmapSettings, IdmapSettingsInput } from "./model/idmap.ts";
export type { IdmapLineInput } from "./model/idmap-lines.ts";
export * from "./model/image.ts";
export {
  type CpuLimit,
  type Limits,
  type LimitsInput,
  LimitsSchema,
  type MemoryLimit,
  type MemoryLimitInput,
} from "./model/limits.ts";
export { type LogBounds, type LogBoundsInput, LogBoundsSchema } from "./model/log-bounds.ts";
export {
  type NetworkConfig,
  type NetworkConfigInput,
  NetworkConfigSchema,
  type NetworkDnsInput,
  type NetworkIpv4Input,
} from "./model/network.ts";
export { type Bytes, type BytesInput, BytesSchema } from "./model/units.ts";
export type { IdKind, Idmap, IdmapLine } from "./terms/idmap.ts";
