/** The name of the virtio-serial port that the agent looks for. */
export const AGENT_PORT = "pileus.agent";

/** The serial number by which the initramfs finds the runtime drive. At most 20 bytes (virtio-blk). */
export const RUNTIME_DRIVE_SERIAL = "pileus-runtime";

/** The file system of the runtime drive, and the name of the module that the initramfs must load for it. */
export const RUNTIME_DRIVE_FILESYSTEM = "squashfs";

/** The folder in the guest where the initramfs mounts the runtime drive. */
export const RUNTIME_FOLDER = "/run/pileus/runtime";

/**
 * The agent's argv in the guest. The drive has its own dynamic linker, so the agent needs nothing from the guest and
 * runs with any libc or none.
 */
export function agentCommand(folder: string = RUNTIME_FOLDER): readonly string[] {
  return [
    `${folder}/lib/ld-linux.so`,
    "--library-path",
    `${folder}/lib`,
    `${folder}/bin/node`,
    `${folder}/agent.cjs`,
    "--port",
    AGENT_PORT,
  ];
}
