import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Instance, openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { random } from "../../core/test/keeper/log/random.ts";
import { type LxcCapability, lxc } from "../src/index.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

/** `PILEUS_KILLS=200` kills more often, `PILEUS_SEED` repeats a run: see docs/testing.md. */
const KILLS = Number(process.env["PILEUS_KILLS"] ?? 12);

const fixture = systemFixture();
let folder = "";
let source = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-disks-"));
  chmodSync(folder, 0o755);
  source = join(folder, "source");
  mkdirSync(join(source, "sub"), { recursive: true });
  writeFileSync(join(source, "keep"), "kept\n");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const data = (more: object = {}) => ({ type: "disk", source, path: "/data", ...more }) as const;

async function inside(box: Instance<LxcCapability>, script: string): Promise<string> {
  const { stdout, stderr } = await box.run(["sh", "-c", script], { timeout: 20_000 });
  return stdout + stderr;
}

/** The paths of the mounts below the container's root that this process sees. */
function mounts(): readonly string[] {
  const { id } = JSON.parse(readFileSync(join(fixture.root, "host.json"), "utf8")) as { readonly id: string };
  const paths = readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  return paths.map((line) => line.split(" ")[4] ?? "").filter((path) => path.includes(`/${id}-`));
}

const disks = () => mounts().filter((path) => path.includes("/rootfs/"));

it(
  "keeps a disk that was attached while it runs over a reboot, and takes it away afterwards",
  requires(NEEDS, async () => {
    await using box = await fixture.running();
    await box.attachDevice("data", data());
    await box.reboot({ timeout: 20_000 });
    expect(await inside(box, "cat /data/keep")).toBe("kept\n");
    await box.detachDevice("data");
    expect(await inside(box, "ls /data")).toBe("");
    expect(disks()).toEqual([]);
  }),
);

it(
  "shows with propagation slave what the host mounts below the source later, and takes nothing back to the host",
  requires(NEEDS, async () => {
    execFileSync("mount", ["--bind", source, source]);
    execFileSync("mount", ["--make-shared", source]);
    try {
      await using box = await fixture.running({ devices: { data: data({ recursive: true, propagation: "slave" }) } });
      await box.attachDevice("apart", data({ path: "/apart" }));
      execFileSync("mount", ["-t", "tmpfs", "none", join(source, "sub")]);
      writeFileSync(join(source, "sub/later"), "");
      expect(await inside(box, "ls /data/sub /apart/sub")).toBe("/apart/sub:\n\n/data/sub:\nlater\n");
      execFileSync("umount", [join(source, "sub")]);
      expect(await inside(box, "ls /data/sub; mount -t tmpfs none /data/sub && touch /data/sub/theirs")).toBe("");
      expect(readdirSync(join(source, "sub"))).toEqual([]);
    } finally {
      execFileSync("umount", ["-l", source]);
    }
  }),
);

it(
  "shows the owners as the map does with shift: false, and lets ids of the map alone write",
  requires(NEEDS, async () => {
    await using box = await fixture.running({ devices: { data: data({ shift: false }) } });
    expect(await inside(box, "stat -c %u /data/keep; touch /data/new")).toMatch(/^65534\n.*Permission denied/);
    expect(readdirSync(source)).toEqual(["keep", "sub"]);
  }),
);

it.for([false, true])("does not take a disk while something is mounted on it inside, forced: %s", (force, context) =>
  requires(NEEDS, async () => {
    await using box = await fixture.running({ devices: { data: data() } });
    await inside(box, "mount -t tmpfs none /data/sub");
    await expect(box.detachDevice("data", { force })).rejects.toMatchObject({
      code: "ERR_DEVICE_IN_USE",
      message: expect.stringMatching(/the mount at \/data\/sub inside.*unmount/),
    });
    expect(await inside(box, "cat /data/keep; umount /data/sub")).toBe("kept\n");
    await box.detachDevice("data", { force });
    expect(await inside(box, "ls /data")).toBe("");
  })(context),
);

it(
  "takes no mount of a privileged container to the host, and its disk away",
  requires(NEEDS, async () => {
    await using box = await fixture.running({ lxc: { privileged: true }, devices: { data: data() } });
    const before = disks();
    const mount = "mount -t tmpfs none /data/sub && touch /data/sub/theirs; mount -t tmpfs none /mnt; ls /data/sub";
    expect(await inside(box, mount)).toBe("theirs\n");
    expect(disks()).toEqual(before);
    expect(readdirSync(join(source, "sub"))).toEqual([]);
    expect(await inside(box, "umount /data/sub")).toBe("");
    await box.detachDevice("data");
    expect(await inside(box, "ls /data")).toBe("");
  }),
);

it(
  "attaches and detaches while it reboots and while it is frozen",
  requires(NEEDS, async () => {
    await using box = await fixture.running();
    const rebooting = box.reboot({ timeout: 20_000 });
    for (let turn = 0; turn < 30; turn++) {
      await box.attachDevice("data", data());
      await box.detachDevice("data");
    }
    await box.attachDevice("data", data());
    await rebooting;
    expect(await inside(box, "cat /data/keep")).toBe("kept\n");
    await box.freeze();
    await box.attachDevice("other", data({ path: "/other" }));
    await box.detachDevice("data");
    await box.unfreeze();
    expect(await inside(box, "ls /data; cat /other/keep")).toBe("kept\n");
  }),
);

it(
  "shows the file that was there when a single file was attached, also after another takes its name",
  requires(NEEDS, async () => {
    const keep = join(source, "keep");
    await using box = await fixture.running({ devices: { one: data({ source: keep, path: "/etc/one" }) } });
    writeFileSync(join(source, "new"), "new\n");
    renameSync(join(source, "new"), keep);
    expect(await inside(box, "cat /etc/one")).toBe("kept\n");
    await box.restart({ mode: "kill" });
    expect(await inside(box, "cat /etc/one")).toBe("new\n");
    await box.detachDevice("one");
    expect(await inside(box, "cat /etc/one")).toBe("");
    expect(readFileSync(keep, "utf8")).toBe("new\n");
  }),
);

it(
  "takes a disk whose place was removed inside, and mounts the others still",
  requires(NEEDS, async () => {
    await using box = await fixture.running();
    await box.update({ devices: { data: data(), other: data({ path: "/other" }) } });
    expect(await inside(box, "umount /data && rmdir /data; umount /other && rmdir /other")).toBe("");
    await box.detachDevice("data");
    await box.attachDevice("more", data({ path: "/more" }));
    expect(await inside(box, "cat /other/keep /more/keep; ls -d /data")).toMatch(/^kept\nkept\nls: \/data/);
    expect(disks()).toHaveLength(2);
  }),
);

it(
  "takes a disk away whose folder has another name by now, one that is no UTF-8 or beyond the longest path",
  requires(NEEDS, async () => {
    await using box = await fixture.running();
    const moves = [
      `umount /a/data && mv /a "$(printf '/\\377 \\n\\\\x')"`,
      `umount /a/data && n=$(printf '%0250d' 0) && d=$n && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do d=$d/$n; done
        mkdir -p /x/$d /y/$d && mv /a /x/$d/ && mv /x /y/$d/`,
    ];
    for (const move of moves) {
      await box.attachDevice("data", data({ path: "/a/data" }));
      expect(await inside(box, move)).toBe("");
      expect(disks()).toHaveLength(1);
      await box.detachDevice("data");
      expect(disks()).toEqual([]);
    }
    await box.attachDevice("data", data({ path: "/a/data" }));
    await inside(box, `umount /a/data; mv /a "$(printf '/\\376')"`);
    await box.restart({ mode: "kill" });
    expect(await inside(box, "cat /a/data/keep")).toBe("kept\n");
    expect(disks()).toHaveLength(1);
  }),
);

it(
  "says of a run of an earlier release what to do, and leaves it as it was",
  requires(NEEDS, async () => {
    await using box = await fixture.running();
    const root = mounts().find((path) => path.endsWith("/rootfs")) ?? "";
    execFileSync("mount", ["--make-private", root]);
    await expect(box.attachDevice("data", data())).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED",
      message: expect.stringMatching(/earlier release.*stop/),
    });
    expect(disks()).toEqual([]);
    expect((await box.inspect()).config.devices).toEqual({});
    await box.restart({ mode: "kill" });
    await box.attachDevice("data", data());
    expect(await inside(box, "cat /data/keep")).toBe("kept\n");
  }),
);

it(
  "reaches nothing of the host while somebody inside swaps the folders of the path for links",
  { timeout: 120_000 },
  requires(NEEDS, async () => {
    const canary = join(folder, "canary");
    mkdirSync(canary);
    execFileSync("mount", ["-t", "tmpfs", "none", canary]);
    writeFileSync(join(canary, "alive"), "");
    try {
      await using box = await fixture.running();
      const target = join(canary, "made");
      const swap = `
        while :; do
          umount -l "$1" 2>/dev/null; umount -l "/other$1" 2>/dev/null
          mv "/to/a" "/to/b" 2>/dev/null; ln -s "${canary}" "/to/a" 2>/dev/null
          rm -f "/to/a"; ln -s / /to/a 2>/dev/null; rm -f /to/a; mv /to/b /to/a 2>/dev/null
        done`;
      const swapping = await box.exec(["sh", "-c", swap, "swap", "/to/a/made"]);
      let attached = 0;
      for (let turn = 0; turn < 60; turn++) {
        const path = turn % 2 === 0 ? "/to/a/made" : `/to/a${target}`;
        const failure = await box.attachDevice("data", data({ path })).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failure === undefined) {
          attached += 1;
          await box.detachDevice("data", { force: true });
        } else expect(failure).toMatchObject({ code: "ERR_CONFIG" });
      }
      await swapping.kill("SIGKILL");
      await swapping.exit;
      expect(attached).toBeGreaterThan(0);
      expect(readdirSync(canary)).toEqual(["alive"]);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toContain(` ${canary} `);
      expect(disks()).toEqual([]);
      expect(statSync(join(source, "keep")).size).toBe(5);
    } finally {
      execFileSync("umount", [canary]);
    }
  }),
);

it(
  `leaves nothing after ${KILLS} kills of a process that attaches and detaches`,
  { timeout: 60_000 + KILLS * 6000 },
  requires(NEEDS, async () => {
    const { seed, integer } = random();
    console.log(`PILEUS_SEED=${seed}`);
    const box = await fixture.host.create({ driver: "lxc", name: "disks-killed", image: fixture.image });
    await box.start();
    const script = fileURLToPath(new URL("support/disk-loop.ts", import.meta.url));
    const flags = ["--conditions=@pileus/source", "--import", "tsx", script, fixture.root, box.name, source];
    for (let kill = 1; kill <= KILLS; kill++) {
      const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
      const ended = once(child, "exit");
      const [first] = await Promise.race([once(child.stdout, "data"), ended]);
      expect(String(first)).toMatch(/attached/);
      child.stdout.resume();
      const pause = integer(60);
      const told = `seed ${seed}, kill ${kill} after ${pause} ms`;
      await setTimeout(pause);
      child.kill("SIGKILL");
      await ended;
      await using other = await openHost({ root: fixture.root, drivers: [lxc()] });
      const looks = integer(2) === 0 ? box : await other.get(box.name, { driver: "lxc" });
      await looks.attachDevice("mine", data({ path: "/mine" }));
      const { config, applied } = await looks.inspect();
      expect(applied, told).toBeUndefined();
      expect(disks(), told).toHaveLength(Object.keys(config.devices).length);
      const seen = "killed" in config.devices ? "keep\nsub\n" : "";
      expect(await inside(box, "mkdir -p /killed/deep; ls /killed/deep"), told).toBe(seen);
      await looks.detachDevice("mine");
    }
    await box.delete();
    expect(mounts()).toEqual([]);
    expect(readdirSync(source)).toEqual(["keep", "sub"]);
  }),
);
