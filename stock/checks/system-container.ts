import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { leftovers } from "../../packages/lxc/test/support/leftovers.ts";
import { apparmorLabels, apparmorTraces, debianImage, FACTOR, open, ROOT, sh } from "../inside/host.ts";

const timeout = 120_000 * FACTOR;

/** Only root of the host may mount these; the units fail in every unprivileged container. */
const FAIL_ANYWHERE = ["sys-kernel-config.mount", "sys-kernel-debug.mount"];

for (const privileged of [false, true])
  describe(`Debian with systemd in a${privileged ? " privileged" : "n unprivileged"} container`, () => {
    const name = privileged ? "debian-privileged" : "debian";
    let host: Awaited<ReturnType<typeof open>>;
    let debian: Awaited<ReturnType<(typeof host)["create"]>>;
    before(async () => {
      host = await open();
    });
    after(() => host[Symbol.asyncDispose]());

    it("boots", async () => {
      const image = await debianImage(host.images);
      debian = await host.create({ driver: "lxc", name, image, limits: { memory: "512MiB" }, lxc: { privileged } });
      await debian.start();
      await debian.ready({ timeout });
    });
    it("has no failed unit", async () => {
      await debian.run(["systemctl", "is-system-running", "--wait"], { timeout });
      const { stdout } = await debian.run(["systemctl", "--failed", "--no-legend", "--plain"], { check: true });
      const failed = stdout.split("\n").flatMap((line) => line.split(" ")[0] || []);
      assert.deepEqual(
        failed.filter((unit) => privileged || !FAIL_ANYWHERE.includes(unit)),
        [],
        sh("dmesg | grep 'apparmor=\"DENIED\"' | tail -5 || true"),
      );
    });
    it("runs a service with PrivateTmp, ProtectSystem=strict and the like", async () => {
      const settings = ["PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes"];
      const argv = [
        "systemd-run",
        "--wait",
        "--pipe",
        ...settings.flatMap((setting) => ["-p", setting]),
        "echo",
        "fine",
      ];
      const { stdout } = await debian.run(argv, { timeout, check: true });
      assert.match(stdout, /fine/);
    });
    it("is confined by AppArmor", () => {
      for (const label of apparmorLabels(name)) assert.match(label, /^lxc-pileus-system-\w+ \(enforce\)$/);
    });
    it("can write to its own settings of the kernel, and to none of the host", async () => {
      const script = `mount -o remount,bind,rw /proc/sys; cd /proc/sys
        for file in kernel/core_pattern vm/swappiness kernel/shmmax kernel/hostname net/ipv4/ip_forward; do
          (cat $file > /tmp/value && cat /tmp/value > $file) 2>/dev/null && echo $file
        done`;
      const { stdout } = await debian.run(["sh", "-c", script], { timeout });
      // The kernel lets only root of the host write the host name here, although each container has its own.
      const hostname = privileged ? ["kernel/hostname"] : [];
      assert.deepEqual(stdout.trim().split("\n"), ["kernel/shmmax", ...hostname, "net/ipv4/ip_forward"]);
    });
    it("stops, and leaves nothing when it is deleted", async () => {
      await debian.stop({ timeout });
      await debian.delete();
      assert.deepEqual(await leftovers(ROOT), []);
      assert.deepEqual(apparmorTraces(), []);
    });
  });
