import { SPARE_ID, type Spawn, spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { trialKvmUser, trialObstacle } from "../src/accelerator.ts";
import { QEMU } from "../src/argv/argv.ts";

/** Also where there is no KVM. */
const user = () => trialKvmUser(async () => []);

/** Runs the trial with a change to its command line, and returns what it printed. */
async function trial(change: (argv: readonly string[]) => readonly string[], allow: readonly number[]) {
  let printed = "";
  const changed: Spawn = async (argv, options) => {
    const result = await spawn(change(argv), { ...options, allow });
    printed = result.stdout;
    return result;
  };
  return { obstacle: await trialObstacle(changed, {}, user), printed };
}

it(
  "runs the test guest from its descriptor, in the sandbox",
  requires(["root", `binary:${QEMU}`], async () => {
    // Emulated, because not every host has KVM, and so without the time limit of KVM.
    const emulated: Readonly<Record<string, string>> = { "0.8": "60", kvm: "tcg", host: "max" };
    expect(await trial((argv) => argv.map((argument) => emulated[argument] ?? argument), [33])).toMatchObject({
      obstacle: undefined,
    });
  }),
);

it(
  "runs it as a user without rights, in what confines a machine",
  requires(["root"], async () => {
    const look = ["cat", "/proc/self/status", "/proc/self/limits"];
    const { printed } = await trial((argv) => ["env", ...argv.slice(3, argv.indexOf(QEMU)), ...look], [0]);
    const field = (name: string) => new RegExp(`^${name}:?\\s+(.*)$`, "m").exec(printed)?.[1]?.trim();
    const [uid = 0] = (field("Uid") ?? "").split("\t").map(Number);
    // Where only root may use KVM, it is root without a capability.
    expect([0, SPARE_ID]).toContain(uid);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) expect(field(set)).toBe("0000000000000000");
    expect(field("NoNewPrivs")).toBe("1");
    expect(field("Max core file size")).toMatch(/^0 +0 /);
  }),
);
