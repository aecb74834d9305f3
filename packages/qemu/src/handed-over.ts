import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { type InstanceContext, listenUnix, openTap, sealedFile } from "@pileus/core/driver";
import { type MachineAssets, type MachineDescriptors, portsOf } from "./machine.ts";
import { runFiles } from "./run-files.ts";

/** Descriptors that QEMU inherits. Disposing closes them here: QEMU has its own. */
export class HandedOver implements Disposable {
  readonly #descriptors: number[] = [];

  /** As QEMU gets them: the first is its 3. */
  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /** Takes an open descriptor. Returns the number that it has in QEMU. */
  add(descriptor: number): number {
    return 2 + this.#descriptors.push(descriptor);
  }

  /** The same for a file, opened with these flags of fopen(3). */
  open(path: string, flags: "r" | "r+"): number {
    return this.add(openSync(path, flags));
  }

  /** The same for a file that QEMU opens again by /proc as its own user, which gets a copy in memory if it may not read it. */
  openToReopen(path: string): number {
    const descriptor = openSync(path, "r");
    if ((fstatSync(descriptor).mode & 0o004) !== 0) return this.add(descriptor);
    try {
      return this.add(sealedFile("boot", readFileSync(descriptor), 0o444));
    } finally {
      closeSync(descriptor);
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}

/** Opens everything that the machine uses: its QEMU may open nothing of it by itself. */
export function handOver(
  handed: HandedOver,
  instance: Pick<InstanceContext, "folder" | "run" | "config" | "nics">,
  assets: Pick<MachineAssets, "boot" | "backing">,
): MachineDescriptors {
  const files = runFiles(instance);
  const { boot, backing } = assets;
  const listen = (path: string) => handed.add(listenUnix(path));
  return {
    monitors: [...files.monitors, files.portMonitor].map(listen),
    disk: handed.open(files.disk, "r+"),
    backing: { descriptor: handed.open(backing.path, "r"), format: backing.format },
    taps: instance.nics.map((nic) => handed.add(openTap(nic.hostInterface))),
    boot: boot && {
      kernel: handed.openToReopen(boot.kernel),
      initramfs: handed.openToReopen(boot.initramfs),
      agent:
        boot.runtimeDrive === undefined
          ? undefined
          : {
              runtimeDrive: handed.open(boot.runtimeDrive, "r"),
              sockets: files.agents.slice(0, portsOf(instance.config)).map(listen),
            },
    },
  };
}
