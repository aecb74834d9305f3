import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { openHost, UnsupportedError } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf } from "./support/qemu-subject.ts";

/**
 * A whole disk whose boot sector writes "booted" to the first serial port and halts: xor ax,ax; mov ds,ax; mov
 * si,0x7c16; cld; 1: lodsb; test al,al; jz 2f; mov dx,0x3f8; out dx,al; jmp 1b; 2: hlt; jmp 2b.
 */
function bootableDisk(): Buffer {
  const disk = Buffer.alloc(2 ** 20);
  Buffer.from("31c08ed8be167cfcac84c07406baf803eeebf5f4ebfd", "hex").copy(disk);
  disk.write("booted\n", 0x16, "latin1");
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

it(
  "boots a disk image by firmware, with a console and a life cycle, but without the operations of the agent",
  requires(MACHINE_NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-boot-"));
    const root = join(folder, "host");
    try {
      await writeFile(join(folder, "disk.raw"), bootableDisk());
      await using host = await openHost({ root, drivers: [qemu({ cache })] });
      const image = await host.images.import(join(folder, "disk.raw"));
      await using machine = await host.ephemeral({ driver: "qemu", name: "disk", image });
      await machine.ready();
      await vi.waitFor(
        async () => expect(await text(await machine.logs({ stream: "console" }))).toContain("booted"),
        20_000,
      );
      expect(machine.can("exec")).toBe(false);
      await expect(machine.exec(["true"])).rejects.toThrow(UnsupportedError);
      await machine.freeze();
      await machine.unfreeze();
      await machine.stop({ mode: "kill" });
      const micro = host.create({ driver: "qemu", name: "micro", image, qemu: { machine: "microvm" } });
      await expect(micro).rejects.toThrow(UnsupportedError);
      expect((await host.list()).map((found) => found.name)).toEqual(["disk"]);
    } finally {
      expect(await machinesOf(root)).toEqual([]);
      await rm(folder, { recursive: true });
    }
  }),
);
