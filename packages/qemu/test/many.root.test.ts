import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Instance, openHost } from "@pileus/core";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import type { QemuCapability } from "../src/capability.ts";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";
import { User } from "./support/user.ts";

const TIMEOUT = 300_000;

beforeAll(warmCache, WARMING);

interface Place {
  readonly machine: Instance<QemuCapability>;
  user(): User;
}

/** A machine of this type that runs and is ready. Everything is removed after the test. */
async function onMachine(type: "q35" | "microvm", test: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-many-"));
  const root = join(folder, "host");
  const users: User[] = [];
  try {
    await makeBusyboxRootfs(join(folder, "rootfs"));
    await using host = await openHost({ root, drivers: [qemu({ cache })] });
    const image = await host.images.import(join(folder, "rootfs"));
    const section = { machine: type, rootSize: "64MiB" } as const;
    const limits = { memory: "192MiB" };
    await using machine = await host.ephemeral({ driver: "qemu", name: "many", image, limits, qemu: section });
    await machine.ready({ timeout: TIMEOUT });
    const user = () => {
      const one = new User(root, "many");
      users.push(one);
      return one;
    };
    await test({ machine, user });
  } finally {
    await Promise.all(users.map((user) => user.kill()));
    expect(await machinesOf(root)).toEqual([]);
    await rm(folder, { recursive: true });
  }
}

const isGone = (machine: Place["machine"], pid: number) =>
  expect.poll(async () => (await machine.run(["kill", "-0", `${pid}`])).exitCode, { timeout: 60_000 }).not.toBe(0);

for (const type of ["q35", "microvm"] as const) {
  it(
    `serves five processes at once on a ${type}, and the others when one is killed or stopped in the middle`,
    { timeout: TIMEOUT },
    requires(MACHINE_NEEDS, () =>
      onMachine(type, async ({ machine, user }) => {
        const users = [user(), user(), user(), user(), user()];
        const held = await Promise.all(users.map((one) => one.ask<number>("hold")));
        // A program of each runs, and of this process too.
        await using ours = await machine.exec(["cat"]);
        const words = users.map((_, index) => `word${index}`);
        const used = await Promise.all(users.map((one, index) => one.ask("use", `word${index}`)));
        expect(used).toEqual(words.map((word) => [word, word, true]));

        const [victim, stopped, flooding, ...rest] = users as [User, User, User, User, User];
        await victim.ask("push");
        await victim.kill();
        await isGone(machine, held[0] ?? 0);
        // One that stops in the middle of a flood, and one that goes on with its own.
        await stopped.ask("flood");
        stopped.child.kill("SIGSTOP");
        await flooding.ask("flood");
        for (const one of [...rest, user()]) expect(await one.ask("use", "later")).toEqual(["later", "later", true]);
        for (const pid of held.slice(1)) await machine.run(["kill", "-0", `${pid}`], { check: true });
        ours.stdin.end("still here");
        expect(String((await ours.stdout.toArray()).join(""))).toBe("still here");
      }),
    ),
  );
}

it(
  "serves all processes again after a reboot of the guest, and one more process after all have died",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onMachine("q35", async ({ machine, user }) => {
      const users = [user(), user(), user(), user(), user()];
      await Promise.all(users.map((one) => one.ask("hold")));
      await machine.reboot();
      const used = await Promise.all(users.map((one, index) => one.ask("use", `word${index}`)));
      expect(used.map((answer) => (answer as unknown[])[0])).toEqual(users.map((_, index) => `word${index}`));
      await Promise.all(users.map((one) => one.kill()));
      expect(await user().ask("use", "later")).toEqual(["later", "later", true]);
    }),
  ),
);
