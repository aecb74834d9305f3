import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { leftovers } from "../../packages/lxc/test/support/leftovers.ts";
import {
  apparmorLabels,
  cgroupValues,
  config,
  DRIVERS,
  FACTOR,
  image,
  NETWORK,
  open,
  processFiles,
  ROOT,
  sh,
} from "../inside/host.ts";

const timeout = 30_000 * FACTOR;

for (const driver of DRIVERS)
  describe(`the life of an instance of ${driver}`, () => {
    const name = `life-${driver}`;
    let host: Awaited<ReturnType<typeof open>>;
    let instance: Awaited<ReturnType<(typeof host)["create"]>>;
    // Hardened hosts keep users from making user namespaces. -e: not every kernel knows it.
    const userNamespaces = (allowed: 0 | 1) => sh(`sysctl -e -w kernel.unprivileged_userns_clone=${allowed}`);
    before(async () => {
      userNamespaces(0);
      host = await open();
      await host.networks.create(NETWORK);
    });
    after(async () => {
      userNamespaces(1);
      await host.networks.delete(NETWORK.name);
      await host[Symbol.asyncDispose]();
    });

    it("starts with limits and a nic, and becomes ready", async () => {
      await image(host.images, driver);
      instance = await host.create(config(driver, name));
      await instance.start();
      await instance.ready({ timeout });
    });
    it("runs programs, with their output and exit", async () => {
      const { stdout, stderr, exit } = await instance.run(["sh", "-c", "cat; echo err >&2; exit 5"], { input: "in" });
      assert.deepEqual([stdout, stderr, exit], ["in", "err\n", { kind: "exited", code: 5 }]);
    });
    it("receives a folder and returns it unchanged", async () => {
      const folder = mkdtempSync("/tmp/life-");
      try {
        mkdirSync(join(folder, "a/b"), { recursive: true });
        writeFileSync(join(folder, "a/b/file"), Buffer.alloc(1_000_000, "x"), { mode: 0o751 });
        await instance.files.push(join(folder, "a"), "/root/pushed");
        await instance.files.pull("/root/pushed", join(folder, "back"));
        assert.equal(sh(`diff -r ${folder}/a ${folder}/back && stat -c %a ${folder}/back/b/file`), "751");
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
    it("has the limits in its cgroup, and they are enforced", async () => {
      // By this, systemd takes from the root of the cgroups each controller that none of its units needs.
      sh("systemctl daemon-reload");
      const values = cgroupValues(name, ["memory.max", "cpu.max", "pids.max"]);
      assert.deepEqual(values, ["67108864", "50000 100000", "60"]);
      const { exit, oom } = await instance.run(["tail", "-c", "200000000", "/dev/zero"], { timeout });
      assert.deepEqual([exit, oom], [{ kind: "signaled", signal: "SIGKILL" }, true]);
      assert.equal(await instance.state(), "running");
    });
    it("has an address, reaches the gateway and is found by name", async () => {
      const [address] = await instance.addresses();
      const [gateway = ""] = (await host.networks.get(NETWORK.name)).ipv4.address.split("/");
      await instance.run(["ping", "-c", "1", "-W", "10", gateway], { check: true });
      const { stdout } = await instance.run(["nslookup", name, gateway], { check: true });
      assert.ok(address !== undefined && stdout.includes(address.address), stdout);
    });
    it("is confined by AppArmor, and so is a program of exec, with the no_new_privs of the driver", async () => {
      await using _program = await instance.exec(["sleep", "1000"]);
      const labels = apparmorLabels(name);
      assert.ok(labels.length >= 2);
      const kind = driver === "lxc" ? "system" : "application";
      for (const label of labels) assert.match(label, new RegExp(`^lxc-pileus-${kind}-\\w+ \\(enforce\\)$`));
      const expected = `NoNewPrivs:\t${driver === "oci" ? 1 : 0}`;
      for (const status of processFiles(name, "status")) assert.match(status, new RegExp(expected));
    });
    it("freezes and thaws", async () => {
      await instance.freeze();
      assert.match(cgroupValues(name, ["cgroup.events"]).join(), /frozen 1/);
      await instance.unfreeze();
      await instance.run(["true"], { check: true });
    });
    it("restarts, stops and starts", async () => {
      await instance.restart({ timeout });
      await instance.ready({ timeout });
      await instance.stop({ timeout });
      assert.equal((await instance.wait()).reason, "requested");
      await instance.start();
      await instance.ready({ timeout });
    });
    it("leaves nothing when it is deleted", async () => {
      await instance.delete();
      assert.deepEqual(await leftovers(ROOT), []);
    });
  });
