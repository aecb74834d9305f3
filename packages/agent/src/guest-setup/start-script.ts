import { agentCommand, RUNTIME_FOLDER } from "./paths.ts";

/**
 * A script that runs the agent and starts it again should it ever end, for guests without systemd: the initramfs starts
 * it in the background, with its root in the guest's (`chroot /newroot /run/pileus/busybox setsid sh SCRIPT &`), before
 * `switch_root`. Uses nothing of the guest's.
 */
export function renderStartScript(folder: string = RUNTIME_FOLDER): string {
  return `#!/bin/sh
export UV_THREADPOOL_SIZE=8
cd /
while :; do
  ${agentCommand(folder).join(" ")} </dev/null >/dev/console 2>&1
  ${folder}/bin/busybox sleep 1
done
`;
}
