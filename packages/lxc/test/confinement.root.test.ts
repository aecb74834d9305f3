import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Host, type Image, type Instance, openHost } from "@pileus/core";
import { lacking, requires } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LxcCapability, lxc } from "../src/index.ts";
import type { LxcSectionInput } from "../src/section.ts";
import { REACH_THE_KERNEL } from "./support/attempts.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";
import { attemptArgv, attemptResults, perlFiles } from "./support/perl.ts";
import { MEASURE, measured, securityTable } from "./support/security-table.ts";

const NEEDS = subject.needs ?? [];
const STATUS = ["grep", "-E", "^(Cap|Seccomp:|NoNewPrivs)"];

let root: string;
let host: Host<ReturnType<typeof lxc>>;
let image: Image;
beforeAll(async () => {
  if (NEEDS.some((need) => lacking(need) !== undefined)) return;
  root = await mkdtemp(join(tmpdir(), "pileus-lxc-confined-"));
  host = await openHost({ root, drivers: [lxc()] });
  image = await subject.image(host);
});
afterAll(async () => {
  if (root === undefined) return;
  await host[Symbol.asyncDispose]();
  const left = await leftovers(root);
  await rm(root, { recursive: true });
  expect(left).toEqual([]);
});

async function using(
  name: string,
  section: LxcSectionInput,
  test: (instance: Instance<LxcCapability>) => Promise<void>,
) {
  await using instance = await host.ephemeral({ driver: "lxc", name, image, lxc: section });
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
        await using("system", { privileged }, async (instance) => {
          for (const pid of ["1", "self"])
            expect(await rights(instance, pid)).toEqual({ ...expected, Seccomp: "2", NoNewPrivs: "0" });
        });
      })(context),
  );

  it(
    "has the rights that its configuration asks for",
    requires(NEEDS, async () => {
      const capabilities = { add: ["SYS_TIME"], drop: ["SYS_PTRACE"] } as const;
      await using("asked", { capabilities, noNewPrivileges: true, seccomp: "unconfined" }, async (instance) => {
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

  it.for([false, true])(
    "cannot load modules or kernels, nor open files by their number, privileged: %s",
    (privileged, context) =>
      requires([...NEEDS, "binary:perl"], async () => {
        await using("kernel", { privileged }, async (instance) => {
          for (const [path, { text, mode }] of Object.entries(perlFiles())) {
            await instance.files.mkdir(`/${dirname(path)}`, { recursive: true });
            await instance.files.write(`/${path}`, text, { mode });
          }
          const { stdout } = await instance.run(attemptArgv(REACH_THE_KERNEL));
          const names = REACH_THE_KERNEL.map(([name]) => [name, "EPERM"]);
          expect(attemptResults(stdout)).toEqual(Object.fromEntries(names));
        });
      })(context),
  );

  it(
    "has the rights that docs/security.md states, as measured inside",
    requires(NEEDS, async () => {
      await using("measured", {}, async (instance) => {
        const { stdout } = await instance.run(["sh", "-c", MEASURE]);
        expect(measured(stdout)).toEqual(securityTable("lxc"));
      });
    }),
  );
});
