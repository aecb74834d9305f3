/** The name of the virtio-serial port that the agent looks for. */
export const AGENT_PORT = "pileus.agent";

/** The serial of the runtime drive: how the initramfs finds it. At most 20 bytes (virtio-blk). */
export const RUNTIME_DRIVE_SERIAL = "pileus-runtime";

/** The file system of the runtime drive: the module that the initramfs must load. */
export const RUNTIME_DRIVE_FILESYSTEM = "squashfs";

/** Where the initramfs mounts the runtime drive, as the guest sees it. */
export const RUNTIME_FOLDER = "/run/pileus/runtime";

/**
 * The agent's argv in the guest. The drive brings its own dynamic linker: nothing of the guest's is needed, whatever
 * its libc, if it has one.
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
