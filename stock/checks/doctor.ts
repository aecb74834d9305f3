import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { open, sh } from "../inside/host.ts";

describe("doctor() on a host that was booted just now", () => {
  it("finds everything that containers and networks need, with overlay as a module that is not loaded", async () => {
    // The initramfs that boots this machine has loaded it; that of Debian would not have.
    sh("modprobe -r overlay");
    await using host = await open();
    const report = await host.doctor();
    console.log(String(report));
    const parts = { lxc: report.drivers["lxc"], oci: report.drivers["oci"], networks: report.networks };
    for (const [name, part] of Object.entries(parts)) assert.deepEqual([part?.missing, part?.usable], [[], true], name);
  });
});
