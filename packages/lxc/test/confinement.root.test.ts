import { readFileSync } from "node:fs";
import type { Instance } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import type { LxcCapability } from "../src/index.ts";
import type { LxcSectionInput } from "../src/section.ts";
import { MEASURE, measured, securityTable } from "./support/security-table.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const STATUS = ["grep", "-E", "^(Cap|Seccomp:|NoNewPrivs)"];

const fixture = systemFixture();

async function using(section: LxcSectionInput, test: (instance: Instance<LxcCapability>) => Promise<void>) {
  await using instance = await fixture.running({ lxc: section });
  await test(instance);
}

function hostMask(): bigint {
  return BigInt(`0x${/^CapBnd:\s+(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`);
}

async function rights(instance: Instance<LxcCapability>, pid: string): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await instance.run([...STATUS, `/proc/${pid}/status`]);
  return Object.fromEntries([...stdout.matchAll(/^(\w+):\s+0*(\w+)$/gm)].map(([, name, value]) => [name, value]));
}

describe("a system container", () => {
  it.for([false, true])(
    "gives neither its init nor exec the capabilities for the host, privileged: %s",
    (privileged, context) =>
      requires(NEEDS, async () => {
        // A user namespace begins with all; without one, a container has at most what its host has.
        const least = privileged ? hostMask() & 0x1fcfdfcffffn : 0x1fcfdfcffffn;
        const [CapPrm, CapEff, CapBnd] = Array(3).fill(least.toString(16));
        const expected = { CapInh: "0", CapPrm, CapEff, CapBnd, CapAmb: "0" };
        await using({ privileged }, async (instance) => {
          for (const pid of ["1", "self"])
            expect(await rights(instance, pid)).toEqual({ ...expected, Seccomp: "2", NoNewPrivs: "0" });
        });
      })(context),
  );

  it(
    "has the rights that its configuration asks for",
    requires(NEEDS, async () => {
      const capabilities = { add: ["SYS_TIME"], drop: ["SYS_PTRACE"] } as const;
      await using({ capabilities, noNewPrivileges: true, seccomp: "unconfined" }, async (instance) => {
        const mask = (0x1fcfdfcffffn | (1n << 25n)) & ~(1n << 19n);
        for (const pid of ["1", "self"])
          expect(await rights(instance, pid)).toMatchObject({
            CapBnd: mask.toString(16),
            Seccomp: "0",
            NoNewPrivs: "1",
          });
      });
    }),
  );

  it(
    "has the rights that docs/security.md states, as measured inside",
    requires(NEEDS, async () => {
      await using({}, async (instance) => {
        const { stdout } = await instance.run(["sh", "-c", MEASURE]);
        expect(measured(stdout)).toEqual(securityTable("lxc"));
      });
    }),
  );
});
