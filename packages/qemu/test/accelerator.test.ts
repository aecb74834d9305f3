import { CommandError, HostError } from "@pileus/core";
import { SPARE_ID, type Spawn } from "@pileus/core/driver";
import { expect, it, onTestFinished, vi } from "vitest";
import { trialKvmUser, trialObstacle } from "../src/accelerator.ts";

/** Also where there is no KVM. */
const nobody = async () => undefined;

it("finds KVM usable when the test guest ends as it should", async () => {
  const calls: (readonly string[])[] = [];
  const spawn: Spawn = async (argv, options) => {
    calls.push(argv);
    expect(options?.allow).toEqual([33]);
    return { stdout: "", stderr: "", exitCode: 33 };
  };
  expect(await trialObstacle(spawn, {}, nobody)).toBeUndefined();
  const [argv = ""] = calls.map((call) => call.join(" "));
  expect(argv).toMatch(/^timeout --signal=KILL 0\.8 .* qemu-system-x86_64 -accel kvm -cpu host /);
  expect(argv).toMatch(/ -bios \/proc\/self\/fd\/3 .* -sandbox on,/);
});

it("reports a test guest that does not end in time, and one that fails", async () => {
  const failing =
    (facts: { readonly exitCode: number; readonly stderr?: string }): Spawn =>
    async (argv) => {
      throw new CommandError({ argv, ...facts });
    };
  expect(await trialObstacle(failing({ exitCode: 137 }), {}, nobody)).toContain("within 800 ms");
  const message = "qemu: error: failed to set MSR 0x10a to 0x0";
  expect(await trialObstacle(failing({ exitCode: 134, stderr: `${message}\n` }), {}, nobody)).toContain(message);
});

it("tries KVM as a user without rights who may use it, else as root without a capability", async () => {
  const euid = vi.spyOn(process, "geteuid").mockReturnValue(0);
  onTestFinished(() => euid.mockRestore());
  expect(await trialKvmUser(async () => [36])).toEqual({ uid: SPARE_ID, gid: SPARE_ID, groups: [36] });
  const refused = () => Promise.reject(new HostError("run QEMU", []));
  expect(await trialKvmUser(refused)).toEqual({ uid: 0, gid: 0, groups: [] });
  euid.mockReturnValue(1000);
  expect(await trialKvmUser(refused)).toBeUndefined();
});
