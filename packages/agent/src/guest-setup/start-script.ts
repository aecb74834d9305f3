import { agentShellCommand, RUNTIME_FOLDER } from "./paths.ts";

/**
 * A script that runs the agent and restarts it if it ends, for guests without systemd. The initramfs starts it in the
 * background before `switch_root`, with the guest's root as its root (`chroot /newroot /run/pileus/busybox setsid sh
 * SCRIPT &`). It uses nothing from the guest.
 */
export function renderStartScript(folder: string = RUNTIME_FOLDER): string {
  return `#!/bin/sh
export UV_THREADPOOL_SIZE=8 NO_COLOR=1
cd /
while :; do
  ${agentShellCommand(folder)} </dev/null >/dev/console 2>&1
  ${folder}/bin/busybox sleep 1
done
`;
}
