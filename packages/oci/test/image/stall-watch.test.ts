import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StallWatch } from "../../src/image/stall-watch.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-stall-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const aborted = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => signal.addEventListener("abort", () => resolve(signal.reason), { once: true }));

describe("a watch of a fetch", () => {
  it("ends the fetch when nothing has arrived for a while, and names the registry", async () => {
    using watch = new StallWatch({ folders: [folder, join(folder, "none")], timeout: 60, peer: "registry h:1" });
    expect(await aborted(watch.signal)).toMatchObject({
      code: "ERR_CONNECTION",
      message: expect.stringMatching(/registry h:1: it has sent nothing for 60 ms/),
    });
  });

  it("lets the fetch continue as long as bytes arrive", async () => {
    using watch = new StallWatch({ folders: [folder], timeout: 1200, peer: "registry h:1" });
    const begin = performance.now();
    while (performance.now() - begin < 2400) {
      await appendFile(join(folder, "blob"), "x");
      await delay(50);
    }
    expect(watch.signal.aborted).toBe(false);
  });

  it("ends the fetch with the caller's own reason", async () => {
    const controller = new AbortController();
    using watch = new StallWatch({ folders: [folder], timeout: 60_000, peer: "r", signal: controller.signal });
    const reason = new Error("mine");
    controller.abort(reason);
    expect(watch.signal.reason).toBe(reason);
  });
});
