import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { runUnit } from "../inside/application.ts";
import { openMachines, sh } from "../inside/host.ts";
import { COMMAND, MACHINE } from "../inside/machine-application.ts";

describe("the virtual machine of an application that is a systemd service", () => {
  /** Of QEMU. */
  let pid: number | undefined;
  const inspect = async () => {
    await using host = await openMachines();
    return await (await host.get(MACHINE)).inspect();
  };
  before(async () => {
    await runUnit(`systemd-run --unit=application ${COMMAND}`);
    ({ pid } = await inspect());
  });
  after(async () => {
    sh("systemctl stop application; systemctl reset-failed");
    await using host = await openMachines();
    await (await host.get(MACHINE)).delete();
  });

  it("has a cgroup that is not of the service", () => {
    assert.ok(pid !== undefined);
    assert.doesNotMatch(sh(`cat /proc/${pid}/cgroup`), /application\.service/);
  });
  it("lives on when the service is restarted", async () => {
    await runUnit("systemctl restart application");
    const { state, pid: now } = await inspect();
    assert.deepEqual([state, now], ["frozen", pid]);
  });
  it("lives on when the service is stopped", async () => {
    sh("systemctl stop application");
    const { state, pid: now } = await inspect();
    assert.deepEqual([state, now], ["frozen", pid]);
  });
});
