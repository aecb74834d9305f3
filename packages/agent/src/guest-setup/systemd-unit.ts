import { agentCommand, RUNTIME_FOLDER } from "./paths.ts";

/**
 * The agent as a unit of systemd, to be placed at `/run/systemd/system/pileus-agent.service` before systemd starts and
 * wanted by `sysinit.target`.
 *
 * It waits for nothing and starts with the first units: the runtime drive is mounted already. A shutdown leaves it for
 * last, so that the end can still be watched (no `Conflicts=shutdown.target`).
 */
export function renderSystemdUnit(folder: string = RUNTIME_FOLDER): string {
  return `[Unit]
Description=Pileus guest agent
DefaultDependencies=no
Before=basic.target

[Service]
ExecStart=${agentCommand(folder).join(" ")}
Environment=UV_THREADPOOL_SIZE=8
Restart=always
RestartSec=100ms
# What a program of ours does to memory must not take the agent with it.
OOMPolicy=continue
TasksMax=infinity
StandardOutput=journal
StandardError=journal
`;
}
