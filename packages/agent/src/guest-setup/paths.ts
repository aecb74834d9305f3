/** The name of the first virtio-serial port that the agent serves. */
export const AGENT_PORT = "pileus.agent";

/**
 * The name of the agent's port with this number, from 0. The agent serves all that the machine has, each with a session
 * of its own, so that several hosts can use it at once.
 */
export function agentPort(number: number): string {
  return number === 0 ? AGENT_PORT : `${AGENT_PORT}.${number}`;
}

/** The serial number by which the initramfs finds the runtime drive. At most 20 bytes (virtio-blk). */
export const RUNTIME_DRIVE_SERIAL = "pileus-runtime";

/** The file system of the runtime drive, and the name of the module that the initramfs must load for it. */
export const RUNTIME_DRIVE_FILESYSTEM = "squashfs";

/** The folder in the guest where the initramfs mounts the runtime drive. */
export const RUNTIME_FOLDER = "/run/pileus/runtime";

/** How a shell of the drive's BusyBox runs the agent in the guest. */
export function agentShellCommand(folder: string = RUNTIME_FOLDER): string {
  return [
    ...[`${folder}/bin/busybox`, "chroot", folder, ...NODE_COMMAND, "/agent.cjs"],
    ...["--port", AGENT_PORT, "--tools", folder, "--root", "3", "3</"],
  ].join(" ");
}

/**
 * The agent's argv in the guest. The agent needs nothing from the guest and runs with any libc or none: the drive has
 * its own dynamic linker and libraries, and is the root while Node starts. The guest's own root, which the shell opens
 * as descriptor 3, becomes the agent's root as soon as Node runs.
 */
export function agentCommand(folder: string = RUNTIME_FOLDER): readonly string[] {
  return [`${folder}/bin/busybox`, "sh", "-c", `exec ${agentShellCommand(folder)}`];
}

/** How Node is run where the drive is the root. */
export const NODE_COMMAND = ["/lib/ld-linux.so", "--library-path", "/lib", "/bin/node"] as const;
