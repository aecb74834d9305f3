/**
 * The guest agent: exec, files and facts inside a virtual machine, over one byte stream.
 *
 * For authors of drivers: `buildRuntimeDrive()` makes the disk that carries the agent into any Linux guest, the names
 * and renderers of `guest-setup/` define how the guest starts it, and `connectAgent()` opens a session with it. Callers
 * use an instance's `exec` and `files` instead, and containers need no agent. The protocol is in
 * docs/agent-protocol.md; start reading at `client/agent-client.ts` on the host, and at `guest/session.ts` in the
 * guest.
 */
export { type AgentClient, type ConnectAgentOptions, connectAgent } from "./client/agent-client.ts";
export { type BusyboxSearch, findStaticBusybox } from "./drive/busybox.ts";
export { inspectNode, type NodeBinary } from "./drive/node-binary.ts";
export {
  buildRuntimeDrive,
  type RuntimeDriveOptions,
  type RuntimeTrialOptions,
  tryRuntimeDrive,
} from "./drive/runtime-drive.ts";
export {
  AGENT_PORT,
  agentCommand,
  agentPort,
  RUNTIME_DRIVE_FILESYSTEM,
  RUNTIME_DRIVE_SERIAL,
  RUNTIME_FOLDER,
} from "./guest-setup/paths.ts";
export { renderStartScript } from "./guest-setup/start-script.ts";
export { renderSystemdUnit } from "./guest-setup/systemd-unit.ts";
export type { AgentInfo, Welcome } from "./protocol/messages.ts";
