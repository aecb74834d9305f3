import { describe, expect, it } from "vitest";
import { TimeoutError } from "../../src/errors/all.ts";
import { withinTimeout } from "../../src/network/within-timeout.ts";
import type { Spawn } from "../../src/system/spawn.ts";

describe("a tool that hangs", () => {
  const hanging: Spawn = (_, options) =>
    new Promise((_, reject) => options?.signal?.addEventListener("abort", () => reject(options.signal?.reason)));

  it("is ended after its time", async () => {
    await expect(withinTimeout(hanging, 20)(["nft", "list", "tables"])).rejects.toThrow(TimeoutError);
  });

  it("is ended by the caller before its time", async () => {
    const signal = AbortSignal.timeout(20);
    const call = withinTimeout(hanging, 60_000)(["nft", "list"], { signal });
    await expect(call).rejects.toMatchObject({ name: "TimeoutError", code: 23 });
  });
});
