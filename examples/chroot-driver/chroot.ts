/**
 * A whole driver in two files: it runs a system of an image on the host's kernel with a root folder of its own, by
 * chroot(1). This is not a sandbox: root inside is root of the host. The init has a keeper, which gives it a console, a log
 * and a record of its end; so do detached programs. An instance ends when its init has ended.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { join } from "node:path";
import {
  type Abortable,
  acquireLock,
  allOrNothing,
  type Backend,
  type Driver,
  findKeptRun,
  findTool,
  type InstanceContext,
  identifyProcess,
  isAlive,
  type KeeperOrder,
  KeptPrograms,
  type KeptRun,
  keeperAccountsIn,
  keeperConsole,
  ownCgroupFolders,
  type Plan,
  type Running,
  readKeeperExit,
  removeOwnCgroup,
  renderPlan,
  signalProcess,
  spawn,
  startKeptRun,
  TOOL_ENV,
  unmountBelow,
} from "@pileus/core/driver";
import { z } from "zod";
import { argvInside, exec, orderInside } from "./exec.ts";

const Section = z.strictObject({ init: z.array(z.string()).min(1).default(["/sbin/init"]) }).prefault({});

export function chroot(): Driver<"chroot", Can, typeof Section> {
  return {
    name: "chroot",
    kind: "system-container",
    capabilities: new Set(["exec", "detached", "console", "logs"] as const),
    section: Section,
    accepts: ["rootfs"],
    probe: async () => {
      const missing = [];
      if (process.geteuid?.() !== 0)
        missing.push({ need: "root", reason: "chroot(2) asks for it", fix: "run as root" });
      for (const [tool, from] of Object.entries({ chroot: "coreutils", setpriv: "util-linux", mount: "mount" }))
        if (findTool(tool) === undefined)
          missing.push({ need: `binary:${tool}`, reason: "not on PATH", fix: `apt-get install ${from}` });
      return { usable: missing.length === 0, missing, facts: [] };
    },
    open: () => new ChrootBackend(),
  };
}

const EFFECTS = { labels: "live", env: "next-start", log: "next-start", "chroot.init": "next-start" } as const;

type Can = "exec" | "detached" | "console" | "logs";

class ChrootBackend implements Backend<Can> {
  plan(before: InstanceContext["config"] | undefined, after: InstanceContext["config"]): Plan {
    const asked = [
      ...Object.keys(after.limits).map((key) => ["limits", key]),
      ...Object.keys(after.devices).map((key) => ["devices", key]),
    ];
    const refused = asked.map((path) => ({ path, message: "a chroot has none" }));
    return renderPlan(before, after, { section: "chroot", effects: EFFECTS, refused });
  }

  // A copy keeps this example short; a real driver would mount an overlay.
  async materialize({ tree, folder }: InstanceContext, { signal }: Abortable) {
    if (tree.kind !== "layers") throw new TypeError("an image of kind rootfs has layers");
    const dev = join(folder, "root/dev");
    // After a crash the engine removes the folder: by then no process may be filling it.
    const options = { signal, diesWithUs: true };
    await spawn(["cp", "--archive", "--reflink=auto", await tree.merged({ signal }), join(folder, "root")], options);
    await spawn(["cp", "--archive", "/dev/null", "/dev/zero", "/dev/tty", "/dev/urandom", dev], options);
    // Where each run mounts its console.
    await spawn(["cp", "--archive", "--remove-destination", "/dev/null", join(dev, "console")], options);
  }

  async launch(instance: InstanceContext, { signal }: Abortable): Promise<Running<Can>> {
    const root = await realpath(join(instance.folder, "root"));
    // The open file holds the lock for as long as any process has it open. The init closes it once it has its own root.
    const outside = await open(join(instance.run, "outside"), "w");
    return allOrNothing(async (undo) => {
      try {
        await spawn(["flock", "3"], { descriptors: [outside.fd], signal });
        const run = await startKeptRun(instance, orderOf(instance, root), { descriptors: [outside.fd], signal });
        undo(() => run.detach());
        await outside.close();
        await using _ = await acquireLock(join(instance.run, "outside"), { signal });
        return running(instance, root, run);
      } finally {
        await outside.close();
      }
    });
  }

  async adopt(instance: InstanceContext, { signal }: Abortable): Promise<Running<Can> | undefined> {
    const root = await realpath(join(instance.folder, "root"));
    const run = await findKeptRun(instance, orderOf(instance, root), { signal });
    if (run !== undefined) return running(instance, root, run);
    await clearAway(instance, root);
    return undefined;
  }

  async lastExit({ run }: InstanceContext) {
    return (await readKeeperExit(run))?.status;
  }

  // Everything is in the instance's folder, which the engine removes: no process that adopt() missed may run there.
  async remove(instance: InstanceContext): Promise<void> {
    await clearAway(instance, join(await realpath(instance.folder), "root"));
  }
}

/** The init on a terminal of its keeper, which is its /dev/console, in a cgroup where its use of resources is counted. */
function orderOf(instance: InstanceContext, root: string): KeeperOrder {
  const { env, log = {}, chroot } = instance.config;
  const { init } = chroot as z.output<typeof Section>;
  const script = 'mount --bind "$(tty)" "$0/dev/console" && exec "$@"';
  return {
    argv: ["sh", "-c", script, root, ...argvInside(root, { argv: init })],
    env: { ...TOOL_ENV, container: "chroot", ...env },
    terminal: { columns: 80, rows: 24 },
    log: { size: log.maxSize, files: log.maxFiles },
    cgroups: ownCgroupFolders(cgroupOf(instance)),
    accounts: keeperAccountsIn(cgroupOf(instance)),
  };
}

/** Apart from the cgroup of this process: else an instance would end with the service that started it. */
function cgroupOf({ uuid }: InstanceContext): string {
  return `pileus-chroot-${uuid}`;
}

function running(instance: InstanceContext, root: string, run: KeptRun): Running<Can> {
  const { name } = instance;
  const init = run.program;
  const clear = async () => {
    if (await run.isLatest()) await clearAway(instance, root);
  };
  const end = async () => {
    const exit = await run.ended;
    // What cannot be cleared away now, is by the next adoption or removal.
    await clear().catch(() => undefined);
    return exit?.status;
  };
  return {
    pid: init.pid,
    exited: end(),
    shutdown: async () => {
      if (await isAlive(init)) process.kill(-init.pid, "SIGTERM");
    },
    kill: async () => {
      await signalProcess(init, "SIGKILL");
      await endAllIn(root);
    },
    detach: async () => run.detach(),
    exec: (request, options) => exec({ name, root }, request, options),
    console: (options) => keeperConsole(instance.run, options),
    detached: new KeptPrograms({
      name,
      run: instance.run,
      cgroups: () => ownCgroupFolders(cgroupOf(instance)),
      order: (request) => orderInside({ name, root }, request),
    }),
  };
}

/** Ends what a run has left, and gives back what it had on the host. */
async function clearAway(instance: InstanceContext, root: string): Promise<void> {
  await endAllIn(root);
  await removeOwnCgroup(cgroupOf(instance));
  await unmountBelow(root);
}

/** Ends every process that has this root, also the programs that `exec()` started. */
async function endAllIn(root: string): Promise<void> {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const identity = rootOf(pid) === root ? await identifyProcess(Number(pid)) : undefined;
    // Once more: the pid may have become another's.
    if (identity !== undefined && rootOf(pid) === root) await signalProcess(identity, "SIGKILL");
  }
}

function rootOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } catch {
    // It has ended.
    return undefined;
  }
}
