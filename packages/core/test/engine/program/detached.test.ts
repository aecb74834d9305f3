import { getEventListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ReadingSignal } from "../../../src/engine/program/detached.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-detached-"));
});
afterEach(() => rm(root, { recursive: true }));

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

it("an attached program whose output nobody reads listens to its owner's signal until its end, and again when it is read", async () => {
  await using host = await openHost({ root, drivers: [fake()] });
  const image = await importFakeImage(host);
  await using instance = await host.ephemeral({ driver: "fake", name: "a", image });
  const program = await instance.exec(["sh", "-c", "echo one"], { detached: true });
  const owner = new AbortController();
  const attached = await program.attach({ signal: owner.signal });
  await attached.exit;
  await expect.poll(() => listeners(owner.signal)).toBe(0);
  const output = attached.output[Symbol.asyncIterator]();
  expect((await output.next()).done).toBe(false);
  const reason = new Error("enough");
  owner.abort(reason);
  await expect(output.next()).rejects.toBe(reason);
});

it("an attached program whose output is read after an abort tells the reason", async () => {
  await using host = await openHost({ root, drivers: [fake()] });
  const image = await importFakeImage(host);
  await using instance = await host.ephemeral({ driver: "fake", name: "a", image });
  const program = await instance.exec(["sh", "-c", "echo one"], { detached: true });
  const owner = new AbortController();
  const attached = await program.attach({ signal: owner.signal });
  await attached.exit;
  const reason = new Error("enough");
  owner.abort(reason);
  await expect(attached.output[Symbol.asyncIterator]().next()).rejects.toBe(reason);
});

it("the signal of a reading aborts with one that aborts while it is held, or did before", () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const reading = new ReadingSignal(one.signal, undefined, other.signal);
  reading.hold()();
  one.abort("not heard");
  expect(reading.signal.aborted).toBe(false);
  expect([listeners(one.signal), listeners(other.signal)]).toEqual([0, 0]);
  reading.hold();
  expect(reading.signal.reason).toBe("not heard");
});
