import { CommandError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { trialObstacle } from "../src/accelerator.ts";

it("finds KVM usable when the test guest ends as it should", async () => {
  const calls: (readonly string[])[] = [];
  const spawn: Spawn = async (argv, options) => {
    calls.push(argv);
    expect(options?.allow).toEqual([33]);
    return { stdout: "", stderr: "", exitCode: 33 };
  };
  expect(await trialObstacle(spawn, {})).toBeUndefined();
  expect(calls[0]?.join(" ")).toMatch(/^timeout --signal=KILL 0\.8 qemu-system-x86_64 -accel kvm -cpu host /);
});

it("reports a test guest that does not end in time, and one that fails", async () => {
  const failing =
    (facts: { readonly exitCode: number; readonly stderr?: string }): Spawn =>
    async (argv) => {
      throw new CommandError({ argv, ...facts });
    };
  expect(await trialObstacle(failing({ exitCode: 137 }), {})).toContain("within 800 ms");
  const message = "qemu: error: failed to set MSR 0x10a to 0x0";
  expect(await trialObstacle(failing({ exitCode: 134, stderr: `${message}\n` }), {})).toContain(message);
});
