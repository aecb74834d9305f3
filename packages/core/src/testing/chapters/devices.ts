import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeviceInput } from "../../model/device/device.ts";
import { rejectsWith } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { openOtherHost } from "../kit/other-host.ts";
import type { SubjectConfig } from "../kit/subject.ts";

/** Chapter: devices that come and go, of what runs too. A driver without disks refuses them before anything is touched. */
export function describeDevices(fixture: Fixture): void {
  const running = (test: (instance: AnyInstance) => Promise<void>, more?: SubjectConfig) =>
    fixture.using(async (instance) => {
      await instance.start();
      await instance.ready();
      await test(instance);
    }, more);

  fixture.describe("devices", () => {
    if (!fixture.subject.disks) {
      fixture.it("refuses the devices that it has not, before anything is touched", async () => {
        await fixture.using(async (instance) => {
          const before = await instance.inspect();
          const disk = { type: "disk", source: "tmpfs:", path: "/cache" } as const;
          const error = await rejectsWith(instance.attachDevice("cache", disk), "ERR_CONFIG");
          assert.match(error.message, /devices\.cache/);
          assert.deepEqual(await instance.inspect(), before);
        });
      });
      return;
    }
    fixture.it("shows a folder of the host with the owners of the host, and what is written there", () =>
      withFolder(async (source) => {
        await writeFile(join(source, "theirs"), "theirs\n");
        await chown(join(source, "theirs"), 1000, 1000);
        const data: DeviceInput = { type: "disk", source, path: "/data" };
        await running(
          async (instance) => {
            assert.deepEqual((await instance.inspect()).config.devices["data"], data);
            const script = "stat -c '%u:%g' /data/theirs && cat /data/theirs && echo ours >/data/ours";
            assert.equal(await output(instance, script), "1000:1000\ntheirs\n");
            assert.equal(await readFile(join(source, "ours"), "utf8"), "ours\n");
            assert.equal((await stat(join(source, "ours"))).uid, 0);
          },
          { devices: { data } },
        );
        assert.equal(await readFile(join(source, "ours"), "utf8"), "ours\n");
      }),
    );
    fixture.it("takes volumes in the words of Docker", () =>
      withFolder(async (source) => {
        await running(
          async (instance) => {
            const { devices } = (await instance.inspect()).config;
            assert.deepEqual(devices["srv-data"], { ...disk(source, "/srv/data"), readonly: true });
            assert.equal(await output(instance, "ls /srv/data"), "keep\n");
            assert.ok((await instance.run(["touch", "/srv/data/x"])).failed, "a volume with :ro was written");
          },
          { volumes: [`${source}:/srv/data:ro`] },
        );
      }),
    );
    fixture.it("attaches and detaches while it runs, says so, and keeps it over a restart", () =>
      withFolder(async (source) => {
        await writeFile(join(source, "file"), "x\n");
        await running(async (instance) => {
          const data: DeviceInput = { type: "disk", source, path: "/mnt/a/b" };
          const plan = await instance.plan({ devices: { data } });
          assert.deepEqual(plan.changes, [{ path: "devices.data", effect: "live" }]);
          await instance.attachDevice("data", data);
          assert.equal(await output(instance, "cat /mnt/a/b/file"), "x\n");
          await instance.restart({ mode: "kill" });
          await instance.ready();
          assert.equal(await output(instance, "cat /mnt/a/b/file"), "x\n");
          await instance.detachDevice("data");
          assert.equal(await output(instance, "ls /mnt/a/b"), "");
          assert.equal((await instance.inspect()).config.devices["data"], undefined);
          assert.equal(await readFile(join(source, "file"), "utf8"), "x\n");
        });
      }),
    );
    fixture.it("lets nobody inside change what is read-only, and takes a single file", () =>
      withFolder(async (source) => {
        await writeFile(join(source, "file"), "x\n");
        await running(async (instance) => {
          const folder = { type: "disk", source, path: "/data", readonly: true } as const;
          await instance.attachDevice("data", folder);
          const { failed } = await instance.run(["sh", "-c", "echo y >/data/file"]);
          assert.ok(failed, "a read-only disk was written");
          await instance.update({ devices: { data: { ...folder, readonly: false } } });
          assert.equal(await output(instance, "echo y >/data/file; cat /data/file"), "y\n");
          await instance.attachDevice("one", { type: "disk", source: join(source, "file"), path: "/etc/one" });
          assert.equal(await output(instance, "cat /etc/one"), "y\n");
        });
      }),
    );
    fixture.it("gives memory of the size and mode that are asked for", async () => {
      await running(async (instance) => {
        const cache = { type: "disk", source: "tmpfs:", path: "/cache", size: "1MiB", mode: 0o700 } as const;
        await instance.attachDevice("cache", cache);
        assert.equal(await output(instance, "stat -c '%a %u' /cache"), "700 0\n");
        const { failed } = await instance.run(["sh", "-c", "head -c 2097152 /dev/zero >/cache/x"]);
        assert.ok(failed, "a tmpfs of 1 MiB took 2 MiB");
      });
    });
    fixture.it("keeps what is in memory until that is detached", async () => {
      const cache = disk("tmpfs:", "/cache");
      await running(
        async (instance) => {
          await instance.run(["sh", "-c", "echo kept >/cache/x"], { check: true });
          const failing = { cache: null, below: null, m: disk("/nowhere/at/all", "/m") };
          await rejectsWith(instance.update({ devices: failing }), "ERR_CONFIG");
          const { changes } = await instance.update({ devices: { cache: { ...cache, size: "1MiB" } } });
          assert.deepEqual(changes, [{ path: "devices.cache.size", effect: "next-start" }]);
          assert.equal(await output(instance, "cat /cache/x"), "kept\n");
          await instance.update({ devices: { cache: null, below: null } });
          assert.equal(await output(instance, "ls /cache"), "");
        },
        { devices: { cache, below: disk("tmpfs:", "/cache/below") } },
      );
    });
    fixture.it("refuses what cannot be, names the option, and leaves everything as it was", () =>
      withFolder(async (source) => {
        await running(
          async (instance) => {
            await instance.run(["sh", "-c", "ln -s / /to-root; ln -s /data /to-data; : >/file"], { check: true });
            const before = await instance.inspect();
            const refused: readonly [device: Partial<DeviceInput>, option: RegExp][] = [
              [{ source: join(source, "missing") }, /devices\.m\.source.*missing/],
              [{ source: "relative" }, /devices\.m\.source/],
              [{ source: "/dev/null" }, /devices\.m\.source.*character device/],
              [{ path: "relative" }, /devices\.m\.path/],
              [{ path: "/" }, /devices\.m\.path/],
              [{ path: "/proc/x" }, /devices\.m\.path/],
              [{ path: "/data" }, /devices\.m\.path.*"data"/],
              [{ path: "/to-root" }, /devices\.m\.path/],
              [{ path: "/to-data" }, /devices\.m\.path.*"data"/],
              [{ path: "/file" }, /devices\.m\.path.*file/],
              [{ path: "/file/below" }, /devices\.m\.path/],
            ];
            for (const [change, option] of refused) {
              const device = { type: "disk", source, path: "/m", ...change } as DeviceInput;
              const error = await rejectsWith(instance.attachDevice("m", device), "ERR_CONFIG");
              assert.match(error.message, option);
            }
            const five = Object.fromEntries([1, 2, 3, 4].map((n) => [`d${n}`, disk(source, `/d${n}`)]));
            const all = { ...five, m: disk(join(source, "missing"), "/m") };
            await rejectsWith(instance.update({ devices: all }), "ERR_CONFIG");
            const { stdout } = await instance.run(["sh", "-c", "ls -A /d1 /d2 /d3 /d4 2>/dev/null | grep keep"]);
            assert.equal(stdout, "");
            assert.deepEqual(await instance.inspect(), before);
            await rejectsWith(instance.attachDevice("data", disk(source, "/other")), "ERR_DEVICE_EXISTS");
            await rejectsWith(instance.detachDevice("nothing"), "ERR_DEVICE_NOT_FOUND");
          },
          { devices: { data: disk(source, "/data") } },
        );
      }),
    );
    fixture.it("does not start without a source, unless that is not required", () =>
      withFolder(async (source) => {
        const gone = join(source, "gone");
        await mkdir(gone);
        const instance = await fixture.create(undefined, { devices: { data: disk(gone, "/data") } });
        await rm(gone, { recursive: true });
        const error = await rejectsWith(instance.start(), "ERR_CONFIG");
        assert.match(error.message, /devices\.data\.source/);
        assert.equal(await instance.state(), "stopped");
        await instance.update({ devices: { data: { ...disk(gone, "/data"), required: false } } });
        await instance.start();
        await instance.delete();
      }),
    );
    fixture.it("does not take a device from a program that uses it, and names that, unless it is forced", () =>
      withFolder(async (source) => {
        await running(
          async (instance) => {
            const program = await instance.exec(["sh", "-c", "cd /data && echo in && sleep 1000"]);
            await firstOutput(program.stdout);
            const error = await rejectsWith(instance.detachDevice("data"), "ERR_DEVICE_IN_USE");
            assert.match(error.message, /\d+ \(\w+\)/);
            assert.equal(await output(instance, "ls /data"), "keep\n");
            await instance.detachDevice("data", { force: true });
            assert.equal(await output(instance, "ls /data"), "");
            await program.kill("SIGKILL");
            await program.exit;
          },
          { devices: { data: disk(source, "/data") } },
        );
      }),
    );
    fixture.it("takes those of several processes one after the other", () =>
      withFolder(async (source) => {
        await running(async (instance) => {
          await using other = await openOtherHost(fixture);
          const names = [1, 2, 3, 4, 5, 6];
          const change = (name: string) => ({ devices: { [name]: disk(source, `/${name}`) } });
          await Promise.all(
            names.map((n) =>
              n % 2 === 0 ? instance.update(change(`d${n}`)) : other.tell("update", instance.name, change(`d${n}`)),
            ),
          );
          assert.equal(await output(instance, "ls /d1 /d2 /d3 /d4 /d5 /d6 | grep -c keep"), "6\n");
          const none = Object.fromEntries(names.map((n) => [`d${n}`, null]));
          await instance.update({ devices: none });
          assert.equal((await instance.run(["sh", "-c", "ls /d1 /d6 | grep -c keep"])).stdout, "0\n");
        });
      }),
    );
  });
}

function disk(source: string, path: string) {
  return { type: "disk", source, path } as const;
}

/** A folder of the host with one file, `keep`. */
async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-kit-disk-"));
  try {
    await chmod(folder, 0o755);
    const source = join(folder, "source");
    await mkdir(source);
    await writeFile(join(source, "keep"), "");
    await work(source);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function output(instance: AnyInstance, script: string): Promise<string> {
  return (await instance.run(["sh", "-c", script], { check: true })).stdout;
}

async function firstOutput(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream) return;
}
