import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AnyDriver } from "../../../src/contract/backend.ts";
import type { Host } from "../../../src/contract/host.ts";
import { ConnectionError, HostError, isInstanceError, NotFoundError } from "../../../src/errors/all.ts";
import type { Abortable } from "../../../src/flow/abortable.ts";
import { joinFailures } from "../../../src/flow/cleanup.ts";
import { openHost, openHostWith } from "../../../src/host.ts";
import { smallParts, untilAborted } from "../scripted.ts";

type AnyHost = Pick<Host<AnyDriver>, "images" | "networks" | keyof AsyncDisposable>;

/** Some folder that there is. */
const SOURCE = import.meta.dirname;

/** Each call of images and networks, with what its error says of it. */
const CALLS: readonly (readonly [string, string, (host: AnyHost, options?: Abortable) => Promise<unknown>])[] = [
  ["images.import", `import image "${SOURCE}"`, ({ images }, options) => images.import(SOURCE, options)],
  ["images.get", 'find image "base"', ({ images }, options) => images.get("base", options)],
  ["images.list", "list the images", ({ images }, options) => images.list(options)],
  ["images.delete", 'delete image "base"', ({ images }, options) => images.delete("base", options)],
  ["networks.create", 'create network "net0"', ({ networks }, options) => networks.create({ name: "net0" }, options)],
  ["networks.get", 'find network "net0"', ({ networks }, options) => networks.get("net0", options)],
  ["networks.list", "list the networks", ({ networks }, options) => networks.list(options)],
  ["networks.delete", 'delete network "net0"', ({ networks }, options) => networks.delete("net0", options)],
];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-while-open-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A host each of whose calls of images and networks does `work`, with the options that reach it. */
async function openDoing(work: (options: Abortable) => Promise<never>): Promise<AnyHost> {
  const { parts } = smallParts();
  const doing = (_: unknown, options: Abortable) => work(options);
  const verbs = { import: doing, create: doing, get: doing, delete: doing, list: work };
  const [images, networks] = [await parts.openImages(), await parts.openNetworks()];
  return openHostWith(
    { root: join(folder, "root"), drivers: [] },
    {
      ...parts,
      openImages: async () => ({ ...images, ...verbs }),
      openNetworks: async () => ({ ...networks, ...verbs }),
    },
  );
}

const systemError = (code: string) =>
  Object.assign(new Error(`${code}: no luck, open '/root/x'`), { code, path: "/root/x" });

describe.each(CALLS)("%s", (_, action, call) => {
  it.each([
    ["EMFILE", "descriptors"],
    ["ENOSPC", "disk-space"],
    ["EIO", "intact-disk"],
    ["EACCES", "access"],
    ["EEXIST", "file:/root/x"],
  ])("says of a bare %s what was tried and what to do", async (code, need) => {
    const cause = systemError(code);
    await using host = await openDoing(() => Promise.reject(cause));
    const error = await call(host).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ cause, missing: [{ need, reason: cause.message }] });
    expect(String(error)).toContain(`cannot ${action} on this host`);
  });

  it("says what the file system refused when another program changed the root folder", async () => {
    await using host = await openHost({ root: join(folder, "root"), drivers: [] });
    for (const part of ["images", "networks"]) {
      await rm(join(folder, "root", part), { recursive: true, force: true });
      await symlink(part, join(folder, "root", part));
    }
    const error = await call(host).catch((reason: unknown) => reason);
    expect(isInstanceError(error), String(error)).toBe(true);
    expect(error).toMatchObject({ cause: { code: "ELOOP" } });
    expect(String(error)).toContain(join(folder, "root"));
  });

  it("throws the first failure, not a bundle with that of the clean-up", async () => {
    const first = new NotFoundError("network", "net0");
    await using host = await openDoing(() => Promise.reject(joinFailures([first, systemError("ENOSPC")])));
    await expect(call(host)).rejects.toBe(first);
  });

  it("does nothing when its signal has aborted", async () => {
    let worked = false;
    await using host = await openDoing(async () => {
      worked = true;
      throw new Error("worked");
    });
    await expect(call(host, { signal: AbortSignal.abort("before") })).rejects.toBe("before");
    expect(worked).toBe(false);
  });

  it("has undone what it did when it rejects with the reason of its signal, if undoing is quick", async () => {
    const controller = new AbortController();
    let undone = false;
    await using host = await openDoing(async ({ signal }) => {
      await untilAborted(signal).catch(() => after(50));
      undone = true;
      throw new Error("of the work");
    });
    const calling = call(host, { signal: controller.signal });
    controller.abort("enough");
    await expect(calling).rejects.toBe("enough");
    expect(undone).toBe(true);
  });

  it("ends with the host, also without a signal of the caller", async () => {
    const host = await openDoing(({ signal }) => untilAborted(signal));
    const calling = expect(call(host)).rejects.toBeInstanceOf(ConnectionError);
    await host[Symbol.asyncDispose]();
    await calling;
  });
});

it("rejects with the reason of its signal within two seconds even if its work never ends", async () => {
  const controller = new AbortController();
  let finish: (reason: unknown) => void = () => undefined;
  const work = new Promise<never>((_, reject) => {
    finish = reject;
  });
  await using host = await openDoing(() => work);
  const call = host.networks.create({ name: "net0" }, { signal: controller.signal });
  const begun = performance.now();
  controller.abort("enough");
  await expect(call).rejects.toBe("enough");
  expect(performance.now() - begun).toBeLessThan(2000);
  finish(new Error("late"));
});
