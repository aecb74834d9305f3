import { setTimeout } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { readMetrics } from "../src/metrics.ts";

it("leaves no reading that nobody waits for when a cgroup cannot be looked for", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  try {
    const folder = (controller: string) => {
      if (controller === "cpuacct") return "/no-such-cgroup";
      throw new Error("no descriptors");
    };
    await expect(readMetrics({ controller: () => undefined }, folder)).rejects.toThrow("no descriptors");
    await setTimeout(20);
    expect(unhandled).not.toHaveBeenCalled();
  } finally {
    process.off("unhandledRejection", unhandled);
  }
});
