import { agentCommand, RUNTIME_FOLDER } from "./paths.ts";

/**
 * The agent as a systemd unit. It belongs at `/run/systemd/system/pileus-agent.service` before systemd starts, and
 * `sysinit.target` must want it.
 *
 * It waits for no other unit, because the runtime drive is already mounted. A shutdown stops it last, so that the
 * shutdown can still be observed (no `Conflicts=shutdown.target`).
 */
export function renderSystemdUnit(folder: string = RUNTIME_FOLDER): string {
  const [busybox, ...options] = agentCommand(folder);
  const script = options.pop();
  return `[Unit]
Description=Pileus guest agent
DefaultDependencies=no
Before=basic.target

[Service]
ExecStart=${busybox} ${options.join(" ")} "${script}"
Environment=UV_THREADPOOL_SIZE=8 NO_COLOR=1
Restart=always
RestartSec=100ms
# The agent must survive when the kernel kills one of its programs because memory ran out.
OOMPolicy=continue
TasksMax=infinity
StandardOutput=journal
StandardError=journal
`;
}
