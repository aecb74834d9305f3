import { expect, it } from "vitest";
import { renderArgv } from "../../src/argv/argv.ts";
import type { MachineSpec } from "../../src/argv/machine-spec.ts";
import { renderOption } from "../../src/argv/option.ts";
import { agentDevice, agentPortOf, agentPorts, FIRST_PORTS } from "../../src/argv/serial.ts";

const q35: MachineSpec = {
  name: "web",
  uuid: "6f9c2b1e-3a5d-4c8f-9b7a-0d1e2f3a4b5c",
  type: "q35",
  board: "pc-q35-7.2",
  slots: 2,
  accelerator: "tcg",
  cpuModel: "max",
  cpus: 2,
  maxCpus: 4,
  memory: 512 * 2 ** 20,
  memoryGrowth: 1536 * 2 ** 20,
  kernel: { image: 9, initramfs: 10, commandLine: "console=ttyS0 quiet" },
  disks: [
    {
      id: "root",
      descriptor: 11,
      format: "qcow2",
      serial: "pileus-root",
      readOnly: false,
      backing: { descriptor: 12, format: "raw" },
    },
    { id: "runtime", descriptor: 13, format: "raw", serial: "pileus-runtime", readOnly: true },
  ],
  nics: [{ id: "net0", descriptor: 14, mac: "02:00:00:aa:bb:cc" }],
  sockets: { monitors: [3, 4], agents: [6, 16, 17] },
};

const microvm = { type: "microvm", board: "microvm", slots: 0, maxCpus: 2, memoryGrowth: 0 } as const;

const variants: Readonly<Record<string, MachineSpec>> = {
  "q35-tcg": q35,
  "q35-kvm": { ...q35, accelerator: "kvm", cpuModel: "host", cpus: 8, memory: 3 * 2 ** 30 },
  "microvm-tcg": { ...q35, ...microvm },
  "microvm-kvm": { ...q35, ...microvm, accelerator: "kvm", cpuModel: "host" },
  "q35-firmware": {
    ...q35,
    maxCpus: 2,
    memoryGrowth: 0,
    board: "q35",
    slots: 10,
    kernel: undefined,
    nics: [],
    sockets: { monitors: [3], agents: [] },
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
  const disk = { id: "root", descriptor: 11, format: "raw", serial: "x".repeat(21), readOnly: true } as const;
  expect(() => renderArgv({ ...q35, disks: [disk] })).toThrow(TypeError);
});

it("lets the agent's ports take at most an eighth of the guest's memory, and never fewer than it starts with", () => {
  const MIB = 2 ** 20;
  const ports = (type: MachineSpec["type"], mib: number) => agentPorts({ type, memory: mib * MIB });
  expect([128, 512, 65_536].map((mib) => ports("q35", mib))).toEqual([30, 30, 30]);
  expect([128, 192, 512, 65_536].map((mib) => ports("microvm", mib))).toEqual([4, 6, 16, 30]);
  expect(ports("microvm", 32)).toBe(FIRST_PORTS);
});

it("knows the agent's ports by the ids of their devices", () => {
  expect([0, 1, 12].map((number) => agentPortOf(agentDevice(number).id))).toEqual([0, 1, 12]);
  expect(agentPortOf("net0")).toBeUndefined();
});
