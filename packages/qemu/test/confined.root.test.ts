import { mkdtemp, readFile, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { spawn as run } from "@pileus/core/driver";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, networkOf, openFiles, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 300_000;
const open = (root: string) => openHost({ root, drivers: [qemu({ cache })] });

beforeAll(warmCache, WARMING);

/** The lines of /proc/PID/status and /proc/PID/limits that say what a process may do. */
async function rightsOf(pid: number) {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  const limits = await readFile(`/proc/${pid}/limits`, "latin1");
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  return {
    uids: new Set(field("Uid").map(Number)),
    gids: new Set(field("Gid").map(Number)),
    groups: field("Groups").filter((group) => group !== ""),
    capabilities: new Set(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].flatMap(field)),
    noNewPrivs: field("NoNewPrivs").join(),
    seccomp: field("Seccomp").join(),
    core: /^Max core file size\s+(\S+)\s+(\S+)/m.exec(limits)?.slice(1),
    threads: /^Max processes\s+(\S+)\s+(\S+)/m.exec(limits)?.slice(1),
    locked: /^Max locked memory\s+(\S+)\s+(\S+)/m.exec(limits)?.slice(1),
    descriptors: /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits)?.slice(1),
  };
}

/** What the user of a process may do with each of these files: "r", "w", "rw" or "". */
async function accessOf(uid: number, paths: readonly string[]): Promise<readonly string[]> {
  const script = 'for p; do a=; [ -r "$p" ] && a=r; [ -w "$p" ] && a="$a"w; echo "$a"; done';
  const argv = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "sh", "-c", script, "sh", ...paths];
  return (await run(argv)).stdout.split("\n").slice(0, -1);
}

it(
  "runs each machine as a user of its own without rights, which cannot open the files of the host or of other machines",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-confined-"));
    const root = join(folder, "host");
    const network = networkOf(root);
    try {
      await using host = await open(root);
      await host.networks.create({ name: network });
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const config = { driver: "qemu", image, limits: { memory: "192MiB" } } as const;
      const devices = { eth0: { type: "nic", network } } as const;
      await using one = await host.ephemeral({ ...config, name: "one", devices, qemu: { rootSize: "64MiB" } });
      await using two = await host.ephemeral({ ...config, name: "two", qemu: { rootSize: "64MiB", user: "nobody" } });
      await using three = await host.ephemeral({ ...config, name: "three", qemu: { rootSize: "64MiB" } });
      const [first, second] = [(await one.inspect()).pid ?? 0, (await two.inspect()).pid ?? 0];
      const rights = await rightsOf(first);
      const [uid = 0] = rights.uids;
      expect(uid).toBeGreaterThan(2_000_000_000);
      expect(rights).toEqual({
        uids: new Set([uid]),
        gids: new Set([uid]),
        groups: [],
        capabilities: new Set(["0000000000000000"]),
        noNewPrivs: "1",
        seccomp: "2",
        core: ["0", "0"],
        threads: ["4096", "4096"],
        locked: ["8388608", "8388608"],
        descriptors: ["4096", "4096"],
      });
      const third = await rightsOf((await three.inspect()).pid ?? 0);
      expect(third).toMatchObject({ groups: [], capabilities: rights.capabilities, noNewPrivs: "1", seccomp: "2" });
      expect([...third.uids]).not.toEqual([uid]);
      // Other programs of the host may have this user, too: its threads are not counted.
      const nobody = await rightsOf(second);
      expect(nobody).toMatchObject({ uids: new Set([65534]), noNewPrivs: "1", seccomp: "2", core: ["0", "0"] });
      expect(nobody.threads).not.toEqual(rights.threads);
      // It has pipes to its keeper, and the log itself is not among its files.
      for (const fd of [0, 1, 2]) expect(await readlink(`/proc/${first}/fd/${fd}`)).toMatch(/^pipe:/);
      expect((await openFiles(first)).filter((path) => path.endsWith(".log"))).toEqual([]);

      // The files that it holds, those of the other machine, and those of the host.
      const held = (await openFiles(first)).filter((path) => path.startsWith(`${root}/`));
      expect(held.filter((path) => path.endsWith("disk.qcow2")).length).toBeGreaterThan(0);
      const theirs = (await openFiles(second)).filter((path) => path.startsWith(`${root}/`));
      const sockets = ["qmp0.sock", "keeper.sock", "agent.sock"].map((name) => join(root, "names/one/run", name));
      const paths = [...new Set([...held, ...theirs]), ...sockets, "/etc/shadow"];
      expect(await accessOf(uid, paths)).toEqual(paths.map(() => ""));
      for (const path of sockets) expect((await stat(path)).mode & 0o777).toBe(0o600);

      // Leaves the processor to the guest that is used below.
      for (const other of [two, three]) await other.stop({ mode: "kill" });
      await one.ready({ timeout: TIMEOUT });
      expect((await one.addresses()).length).toBeGreaterThan(0);
      await one.files.write("/root/note", "kept");
      expect((await one.run(["cat", "/root/note"])).stdout).toBe("kept");
      expect((await one.metrics()).memory.bytes).toBeGreaterThan(0);
      await one.stop({ timeout: 60_000 });
    } finally {
      expect(await machinesOf(root)).toEqual([]);
      await using host = await open(root);
      await host.networks.delete(network);
      await rm(folder, { recursive: true });
    }
  }),
);
