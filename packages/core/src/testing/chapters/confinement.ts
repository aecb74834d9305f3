import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startChild } from "../../system/child.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import type { Confinement } from "../kit/subject.ts";

/** Settings of the host's kernel that no instance may change, with values that hardly any host has. */
const SETTINGS = { "kernel/core_pattern": "kit-core", "vm/swappiness": "7" };

/** A secret that the environment of a program of the host has. */
const SECRET = "kit-secret-of-the-host";

/**
 * Chapter: what the programs of an instance cannot do to the host, as root and whatever the kind: in a virtual machine
 * many of these calls succeed, but concern its own kernel.
 */
export function describeConfinement(fixture: Fixture): void {
  const { unconfined = [] } = fixture.subject;
  const it = (what: Confinement, name: string, test: (instance: AnyInstance) => Promise<void>) => {
    if (!unconfined.includes(what)) fixture.it(name, async () => test(await fixture.running()), "exec");
  };

  fixture.describe("confinement", () => {
    it("files", "shows no file of the host, not even through the roots of processes", async (instance) => {
      const file = join(await fixture.root(), "of-the-host");
      await writeFile(file, SECRET);
      const { stdout } = await sh(instance, 'cat "$1" /proc/*/root"$1" /proc/*/cwd"$1" 2>/dev/null', file);
      assert.equal(stdout, "");
    });
    it("processes", "neither signals nor looks into a program of the host", async (instance) => {
      const victim = startChild(["sleep", "600"], { env: { PATH: process.env["PATH"] ?? "", SECRET } });
      try {
        const script = `kill -KILL "$1" 2>/dev/null; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep "^SECRET="`;
        assert.equal((await sh(instance, script, String(victim.pid))).stdout, "");
      } finally {
        victim.kill("SIGTERM");
      }
      // A SIGKILL from inside would have come first.
      assert.deepEqual(await victim.exit, { kind: "signaled", signal: "SIGTERM" });
    });
    it("kernel settings", "changes no setting of the host's kernel", async (instance) => {
      for (const [name, value] of Object.entries(SETTINGS)) {
        const path = `/proc/sys/${name}`;
        const before = await readFile(path, "utf8");
        try {
          await sh(instance, 'echo "$2" >"$1"', path, value);
          assert.equal(await readFile(path, "utf8"), before, path);
        } finally {
          if ((await readFile(path, "utf8")) !== before) await writeFile(path, before);
        }
      }
    });
    it("mounts", "shows the host nothing that it mounts", async (instance) => {
      await sh(instance, "mkdir -p /kit-mount && mount -t tmpfs kit-mount /kit-mount");
      const mounts = await readFile("/proc/self/mountinfo", "utf8");
      await sh(instance, "umount /kit-mount; rmdir /kit-mount");
      assert.ok(!mounts.includes("kit-mount"), mounts);
    });
    it("devices", "opens no device of the host by a node that it makes", async (instance) => {
      // The nodes of a virtual machine are those of its own kernel.
      if ((await instance.inspect()).kind === "virtual-machine") return;
      const script = `node=/dev/kit-node; for try; do
          rm -f $node; mknod $node $try 2>/dev/null && dd if=$node of=/dev/null bs=1 count=1 2>/dev/null && echo "$try"
        done; rm -f $node`;
      assert.equal((await sh(instance, script, ...devicesOfHost())).stdout, "");
    });
    it("rights of exec", "gives the programs of exec no rights that the main program lacks", async (instance) => {
      const rights = async (pid: string) =>
        (await sh(instance, `grep -E '^(CapInh|CapBnd|NoNewPrivs|Seccomp):' /proc/${pid}/status`)).stdout;
      const main = await rights("1");
      assert.match(main, /CapBnd/);
      assert.equal(await rights("self"), main);
    });
  });
}

function sh(instance: AnyInstance, script: string, ...args: readonly string[]) {
  return instance.run(["sh", "-c", script, "sh", ...args]);
}

/** As arguments of mknod(1): memory, the kernel's log, and the disk of the root file system. makedev(3). */
function devicesOfHost(): readonly string[] {
  const { dev } = statSync("/");
  const disk = `b ${(dev >> 8) & 0xfff} ${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  return ["c 1 1", "c 1 11", ...(existsSync(`/sys/dev/block/${disk.slice(2).replace(" ", ":")}`) ? [disk] : [])];
}
