import { setTimeout as after } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { HostError, NotFoundError, TimeoutError } from "../../src/contract/errors.ts";
import { joinFailures } from "../../src/driver/cleanup.ts";
import { settling, withinTimeout } from "../../src/network/settling.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const never = () => new Promise<never>(() => {});
const systemError = (code: string) =>
  Object.assign(new Error(`${code}: no luck, open '/root/x'`), { code, path: "/root/x" });
const failing = (error: unknown) => settling("create a network", {}, () => Promise.reject(error));

describe("a call of the networks", () => {
  it("rejects with the reason of its signal within two seconds though what it waits for never ends", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const call = settling("create a network", { signal: controller.signal }, never);
    const begun = performance.now();
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it("has undone what it did when it rejects, where that is quick", async () => {
    const controller = new AbortController();
    let undone = false;
    const call = settling("create a network", { signal: controller.signal }, async () => {
      await after(1000, undefined, { signal: controller.signal }).catch(() => after(50));
      undone = true;
      throw new Error("of the work");
    });
    controller.abort("enough");
    await expect(call).rejects.toBe("enough");
    expect(undone).toBe(true);
  });

  it("does nothing when its signal has aborted", async () => {
    let worked = false;
    const call = settling("list the networks", { signal: AbortSignal.abort("before") }, async () => {
      worked = true;
    });
    await expect(call).rejects.toBe("before");
    expect(worked).toBe(false);
  });

  it.each([
    ["ENOSPC", "disk-space"],
    ["EMFILE", "descriptors"],
    ["EEXIST", "file:/root/x"],
  ])("says of a bare %s what was tried, where, and what to do", async (code, need) => {
    const cause = systemError(code);
    const error = await failing(cause).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ cause, missing: [{ need, reason: cause.message }] });
    expect(String(error)).toContain("cannot create a network on this host");
  });

  it("throws what went wrong first, not a bundle of that and of the clean-up", async () => {
    const first = new NotFoundError("network", "net0");
    await expect(failing(joinFailures([first, systemError("ENOSPC")]))).rejects.toBe(first);
    await expect(failing(joinFailures([systemError("ENOSPC"), first]))).rejects.toBeInstanceOf(HostError);
  });
});

describe("a tool that hangs", () => {
  const hanging: Spawn = (_, options) =>
    new Promise((_, reject) => options?.signal?.addEventListener("abort", () => reject(options.signal?.reason)));

  it("is ended after its time", async () => {
    await expect(withinTimeout(hanging, 20)(["nft", "list", "tables"])).rejects.toThrow(TimeoutError);
  });

  it("is ended by the caller before", async () => {
    const signal = AbortSignal.timeout(20);
    const call = withinTimeout(hanging, 60_000)(["nft", "list"], { signal });
    await expect(call).rejects.toMatchObject({ name: "TimeoutError", code: 23 });
  });
});
