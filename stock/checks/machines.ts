import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isInstanceError } from "@pileus/core";
import { FACTOR, image, openMachines } from "../inside/host.ts";

const BOARDS = ["q35", "microvm"] as const;
const timeout = 300_000 * FACTOR;
/** Milliseconds: more than ready() waits by default. */
const LONG = 125_000;

const folder = mkdtempSync(join(tmpdir(), "pileus-machines-"));
const open = () => openMachines(join(folder, "root"));

describe(`virtual machines, by Node ${process.version} at ${process.execPath}`, () => {
  let host: Awaited<ReturnType<typeof open>>;
  /** Of ready(), for a machine that hangs. It takes its time while the others boot. */
  let hanging: Promise<unknown>;
  before(async () => {
    host = await open();
    await image(host.images, "lxc");
    await host.networks.create({ name: "machines0" });
    const config = { driver: "qemu" as const, image: "lxc", qemu: { rootSize: "64MiB" } };
    const machine = await host.create({ ...config, name: "hangs", limits: { memory: "192MiB" } });
    await machine.start();
    const { pid } = await machine.inspect();
    assert.ok(pid !== undefined);
    process.kill(pid, "SIGSTOP");
    hanging = machine.ready({ timeout: LONG }).catch((error: unknown) => error);
  });
  after(async () => {
    for (const { name } of await host.list()) await (await host.get(name)).delete();
    await host.networks.delete("machines0");
    await host[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it("are found usable by doctor()", async () => {
    const report = await host.doctor();
    console.log(String(report));
    assert.deepEqual(report.drivers["qemu"]?.missing, []);
  });
  for (const board of BOARDS)
    it(`boot on ${board}, run programs, have files and an address, freeze, boot again and stop`, async () => {
      const machine = await host.create({
        ...{ driver: "qemu", name: board, image: "lxc" },
        limits: { memory: "192MiB" },
        devices: { eth0: { type: "nic", network: "machines0" } },
        qemu: { machine: board, rootSize: "64MiB" },
      });
      await machine.start();
      await machine.ready({ timeout });
      const { stdout } = await machine.run(["sh", "-c", "cat; uname -r"], { input: "in ", check: true, timeout });
      assert.match(stdout, /^in \d/);
      // A host that opens the root takes nothing from this one, and can use the machine, too.
      await using other = await open();
      await machine.run(["true"], { check: true, timeout });
      await (await other.get(board, { driver: "qemu" })).run(["true"], { check: true, timeout });
      await machine.files.writeText("/root/file", "kept");
      const [gateway = ""] = (await host.networks.get("machines0")).ipv4.address.split("/");
      await machine.run(["ping", "-c", "1", "-W", "10", gateway], { check: true, timeout });
      await machine.freeze();
      await machine.unfreeze();
      await machine.reboot({ timeout });
      assert.equal(await machine.files.readText("/root/file"), "kept");
      await machine.stop({ timeout });
      assert.equal((await machine.wait()).reason, "requested");
    });
  it("are waited for by ready() as long as its caller asks", async () => {
    const error = await hanging;
    assert.ok(isInstanceError(error, "ERR_TIMEOUT"), String(error));
    assert.match(error.message, new RegExp(`\\b${LONG} ms`));
  });
});
