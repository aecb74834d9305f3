import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isIpv6Off, turnIpv6Off } from "../../src/network/ipv6.ts";

describe("IPv6 on an interface", () => {
  it("is off if the kernel has no setting for it", async () => {
    expect(existsSync("/proc/sys/net/ipv6/conf/none-such-here")).toBe(false);
    expect(await isIpv6Off("none-such-here")).toBe(true);
    await turnIpv6Off("none-such-here");
  });
});
