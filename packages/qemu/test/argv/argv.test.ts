import { expect, it } from "vitest";
import { renderArgv } from "../../src/argv/argv.ts";
import type { MachineSpec } from "../../src/argv/machine-spec.ts";
import { renderOption } from "../../src/argv/option.ts";

const q35: MachineSpec = {
  name: "web",
  uuid: "6f9c2b1e-3a5d-4c8f-9b7a-0d1e2f3a4b5c",
  type: "q35",
  accelerator: "tcg",
  cpuModel: "max",
  cpus: 2,
  memory: 512 * 2 ** 20,
  kernel: { image: "/cache/vmlinuz", initramfs: "/cache/initramfs", commandLine: "console=ttyS0 quiet" },
  disks: [
    { id: "root", path: "/r/disk.qcow2", format: "qcow2", serial: "pileus-root", readOnly: false },
    { id: "runtime", path: "/r/runtime.img", format: "raw", serial: "pileus-runtime", readOnly: true },
  ],
  nics: [{ id: "net0", tap: "pt0123456789", mac: "02:00:00:aa:bb:cc" }],
  sockets: { monitors: [3, 4], console: 5, agent: { descriptor: 6, port: "dev.pileus.agent" } },
  consoleLog: "/r/log/console.log",
  pidFile: "/r/run/qemu.pid",
};

const variants: Readonly<Record<string, MachineSpec>> = {
  "q35-tcg": q35,
  "q35-kvm": { ...q35, accelerator: "kvm", cpuModel: "host", cpus: 8, memory: 3 * 2 ** 30 },
  "microvm-tcg": { ...q35, type: "microvm" },
  "microvm-kvm": { ...q35, type: "microvm", accelerator: "kvm", cpuModel: "host" },
  "q35-firmware": { ...q35, kernel: undefined, nics: [], sockets: { monitors: [3], console: 4 } },
  "q35-hostile-paths": {
    ...q35,
    consoleLog: "/r/a,server=off,path=/etc/passwd",
    disks: [{ id: "root", path: "/r/x,file.driver=nbd", format: "raw", serial: "pileus-root", readOnly: true }],
  },
};

for (const [name, spec] of Object.entries(variants)) {
  it(`renders ${name} as its golden file says`, async () => {
    const text = renderArgv(spec)
      .map((argument) => (argument.startsWith("-") ? `\n${argument}` : ` ${argument}`))
      .join("")
      .trim();
    await expect(`${text}\n`).toMatchFileSnapshot(`../golden/argv-${name}.txt`);
  });
}

it("doubles the commas of a value, so that it cannot add an option", () => {
  expect(renderOption("tap", { id: "a,script=/x", on: true, off: false, gone: undefined })).toBe(
    "tap,id=a,,script=/x,on=on,off=off",
  );
});

it("refuses a NUL in a value", () => {
  expect(() => renderOption("tap", { id: "a\0b" })).toThrow(TypeError);
});

it("refuses a serial that is too long for the guest to see all of it", () => {
  const disk = { id: "root", path: "/x", format: "raw", serial: "x".repeat(21), readOnly: true } as const;
  expect(() => renderArgv({ ...q35, disks: [disk] })).toThrow(TypeError);
});
