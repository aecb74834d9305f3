import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { isForwarding } from "../../src/network/forwarding.ts";

const isOn = async (setting: string) => (await readFile(`/proc/sys/net/ipv4/${setting}`, "latin1")).trim() === "1";

describe("whether the host forwards what arrives by a bridge", () => {
  it("is asked of the machine and of the interface", async () => {
    for (const name of ["lo", "default", "all"])
      expect(await isForwarding(name)).toBe((await isOn("ip_forward")) && (await isOn(`conf/${name}/forwarding`)));
  });

  it("is asked of the machine alone while there is no such interface", async () => {
    expect(await isForwarding("none-such-here")).toBe(await isOn("ip_forward"));
  });
});
