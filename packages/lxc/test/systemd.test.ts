import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { BackendProcess } from "@pileus/core/driver";
import { plainAccess } from "@pileus/core/files";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitForSystemd } from "../src/systemd.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-systemd-"));
  await mkdir(join(root, "run/systemd"), { recursive: true });
  await writeFile(join(root, "run/systemd/private"), "");
});
afterEach(() => rm(root, { recursive: true }));

/** A systemctl that prints `stdout` and never ends. */
function systemWith(stdout: Readable) {
  const kill = vi.fn(async () => undefined);
  const streams = { kind: "pipes", stdin: new PassThrough(), stdout, stderr: Readable.from([]) } as const;
  const program: BackendProcess = { streams, exit: new Promise(() => undefined), kill, resize: async () => undefined };
  return { kill, system: { name: "box", access: plainAccess(root), exec: async () => program } };
}

describe("waitForSystemd", () => {
  it.each(["running", "degraded", "maintenance"])("resolves when systemctl prints %s", async (state) => {
    await expect(waitForSystemd(systemWith(Readable.from([`${state}\n`])).system, {})).resolves.toBeUndefined();
  });
  // The other states of systemctl(1).
  it.each(["initializing", "starting", "stopping", "offline", "unknown", ""])(
    "rejects when systemctl prints %j",
    async (state) => {
      const waiting = waitForSystemd(systemWith(Readable.from([`${state}\n`])).system, {});
      await expect(waiting).rejects.toThrow(`it is "${state}"`);
      await expect(waiting).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    },
  );
  it("does not read an endless answer, and kills its program", async () => {
    const endless = new Readable({ read: (size) => void endless.push("y".repeat(size)) });
    const { system, kill } = systemWith(endless);
    await expect(waitForSystemd(system, {})).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    expect(kill).toHaveBeenCalled();
  });
  it("rejects with the reason of an abort, even if systemctl ignores every signal", async () => {
    const controller = new AbortController();
    setTimeout(20).then(() => controller.abort(new Error("enough")));
    const { system } = systemWith(new PassThrough());
    await expect(waitForSystemd(system, { signal: controller.signal })).rejects.toThrow("enough");
  });
});
