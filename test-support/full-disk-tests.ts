import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capability, Instance } from "@pileus/core";
import { type DriverSubject, requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { type SmallDisk, smallDisks } from "./full-disk.ts";

const NO_SPACE = { code: "ERR_HOST", missing: [{ need: "disk-space" }] };

/** What works on a full disk, and that everything else fails and changes nothing: for the driver of a subject. */
export function fullDiskTests(subject: DriverSubject, size: Parameters<typeof smallDisks>[0]): void {
  describe("on a full disk", () => {
    it.for(smallDisks(size))("$name", { timeout: 120_000 }, (disk, context) =>
      requires(["root", ...(subject.needs ?? [])], () => onDisk(disk, (folder) => live(subject, disk, folder)))(
        context,
      ),
    );
  });
}

const CHANGE = { labels: { of: "a full disk" }, limits: { memory: 512 * 2 ** 20 }, env: { A: "1" } };

async function limitOf(instance: Instance<Capability>): Promise<number | undefined> {
  const runs = (await instance.state()) === "running" && instance.can("metrics");
  return runs ? (await instance.metrics()).memory.limitBytes : undefined;
}

async function onDisk(disk: SmallDisk, test: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pileus-full-"));
  disk.mount(folder);
  try {
    await test(folder);
  } finally {
    disk.unmount(folder);
    rmSync(folder, { recursive: true });
  }
}

async function live(subject: DriverSubject, disk: SmallDisk, folder: string): Promise<void> {
  const root = join(folder, "root");
  const host = await subject.open(root);
  /** What was given back is used up again: nothing lives on what the call before has freed. */
  const full = () => {
    disk.fill(folder);
    expect(statfsSync(folder)[disk.left]).toBe(0);
  };
  let failed = true;
  try {
    const image = await subject.image(host);
    await host.images.import(join(import.meta.dirname, "../docs/design"), { aliases: ["first", "both"] });
    const config = { ...(typeof subject.config === "object" ? subject.config : {}), driver: subject.driver, image };
    const create = (name: string) => host.create({ ...config, name } as never);
    const [mine, theirs, idle] = [await create("mine"), await create("theirs"), await create("idle")];
    for (const instance of [mine, theirs]) await instance.start();

    full();
    await expect(create("more")).rejects.toMatchObject(NO_SPACE);
    await expect(idle.start()).rejects.toMatchObject(NO_SPACE);
    await expect(host.images.import("/etc/ssl")).rejects.toMatchObject(NO_SPACE);
    expect((await host.list()).map(({ name, state }) => [name, state]).sort()).toEqual([
      ["idle", "stopped"],
      ["mine", "running"],
      ["theirs", "running"],
    ]);
    await expect(
      host.images.import(join(import.meta.dirname, "../docs/design"), { aliases: ["new"] }),
    ).rejects.toMatchObject(NO_SPACE);
    expect((await host.images.list()).map(({ aliases }) => [...aliases])).toEqual([[], ["first", "both"]]);

    for (const instance of [mine, idle]) {
      const read = async () => [await instance.inspect(), await limitOf(instance)] as const;
      const [before, limit] = await read();
      full();
      const outcome = await instance.update(CHANGE).then(
        () => "done",
        (error: unknown) => error,
      );
      const [after, now] = await read();
      if (outcome === "done") expect(after.config.labels).toEqual(CHANGE.labels);
      else {
        expect(outcome).toMatchObject(NO_SPACE);
        expect([after, now]).toEqual([before, limit]);
      }
    }

    full();
    const other = await subject.open(root);
    try {
      const found = await other.get("theirs");
      expect(await found.state()).toBe("running");
      full();
      await found.stop({ mode: "kill" });
      expect(await found.state()).toBe("stopped");
      full();
      await found.delete();
    } finally {
      await other[Symbol.asyncDispose]();
    }

    full();
    await mine.stop({ mode: "ask-then-kill" });
    expect(await mine.inspect()).toMatchObject({ state: "stopped", exit: { reason: "requested" } });
    for (const instance of [mine, idle]) {
      full();
      await instance.delete();
    }
    expect(await host.list()).toEqual([]);

    full();
    await host.images.delete(image.fingerprint);
    full();
    await host.images.delete("first");
    expect(await host.images.list()).toEqual([]);
    await expect(host.images.get("both")).rejects.toMatchObject({ code: "ERR_IMAGE_NOT_FOUND" });
    expect(await subject.leftovers?.(root)).toEqual([]);
    failed = false;
  } finally {
    disk.drain(folder);
    if (failed) for (const { name } of await host.list()) await (await host.get(name)).delete();
    await host[Symbol.asyncDispose]();
  }
}
