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
export type { BackendProcess } from "./process.ts";
