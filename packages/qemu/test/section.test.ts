import { parse } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { QemuSectionSchema } from "../src/section.ts";

const kernelOf = (kernel: unknown) => parse(QemuSectionSchema, { kernel } as never, "section").kernel;

it.each([
  ["managed", "managed"],
  ["image", "image"],
  [undefined, "managed"],
  [{ kernel: "/boot/vmlinuz" }, { kernel: "/boot/vmlinuz" }],
  [
    { kernel: "/k", modules: "/m" },
    { kernel: "/k", modules: "/m" },
  ],
  [
    { kernel: "/k", initramfs: "/i" },
    { kernel: "/k", initramfs: "/i" },
  ],
])("takes %j for the kernel of a machine", (given, expected) => {
  expect(kernelOf(given)).toEqual(expected);
});

it.each([["q35"], ["microvm"], ["pc-q35-7.2"], ["pc-q35-10.0"], ["pc-q35-4.0.1"]])(
  "takes %j for a machine",
  (machine) => {
    expect(parse(QemuSectionSchema, { machine } as never, "section").machine).toBe(machine);
  },
);

it.each(["pc", "pc-q35-", "pc-q35-7", "pc-q35-7.2,usb=on", "pc-q35-7.2\n", 35])(
  "refuses %j for a machine",
  (machine) => {
    const refused = () => parse(QemuSectionSchema, { machine } as never, "section");
    expect(refused).toThrow('machine: must be "q35" or "microvm", or a version of q35 as in "pc-q35-7.2"');
  },
);

it.each([
  ["own", /kernel: must be "managed", "image", or \{ kernel, modules \}/],
  [null, /kernel: must be "managed"/],
  [{ kernel: "vmlinuz" }, /kernel\.kernel: must be an absolute path/],
  [{ kernel: "/k", modules: "m" }, /kernel\.modules: must be an absolute path/],
  [{ modules: "/m" }, /kernel\.kernel: must be a path/],
  [{ kernel: "/k", initramfs: "i" }, /kernel\.initramfs: must be an absolute path/],
  [{ kernel: "/k", initramfs: "/i", modules: "/m" }, /kernel\.modules: goes into our initramfs/],
  [{ kernel: "/k", initrd: "/i" }, /kernel\.initrd: unknown key/],
])("refuses %j with its reason", (given, message) => {
  expect(() => kernelOf(given)).toThrow(message);
});
