/**
 * A whole driver in two files: it runs programs of an image on the host's kernel with a root folder of their own, by
 * chroot(1). This is not a sandbox: root inside is root of the host. It has only the capability `exec`; the engine refuses
 * the rest. An instance ends when its init and all descendants of the init have ended.
 */
import { open, readdir, readFile, readlink, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Abortable,
  acquireLock,
  type Backend,
  type Driver,
  type ExitStatus,
  findTool,
  type InstanceContext,
  identifyProcess,
  inOwnCgroup,
  isAlive,
  type Plan,
  type ProcessIdentity,
  ProcessIdentitySchema,
  type Running,
  removeOwnCgroup,
  signalProcess,
  spawn,
  spawnDetached,
  TOOL_ENV,
} from "@pileus/core/driver";
import { z } from "zod";
import { argvInside, exec } from "./exec.ts";

const Section = z.strictObject({ init: z.array(z.string()).min(1).default(["/sbin/init"]) }).prefault({});

export function chroot(): Driver<"chroot", "exec", typeof Section> {
  return {
    name: "chroot",
    kind: "application-container",
    capabilities: new Set(["exec"] as const),
    section: Section,
    accepts: ["rootfs"],
    probe: async () => {
      const missing = [];
      if (process.geteuid?.() !== 0)
        missing.push({ need: "root", reason: "chroot(2) asks for it", fix: "run as root" });
      for (const [tool, from] of Object.entries({ chroot: "coreutils", setpriv: "util-linux" }))
        if (findTool(tool) === undefined)
          missing.push({ need: `binary:${tool}`, reason: "not on PATH", fix: `apt-get install ${from}` });
      return { usable: missing.length === 0, missing, facts: [] };
    },
    open: () => new ChrootBackend(),
  };
}

class ChrootBackend implements Backend<"exec"> {
  plan(_before: unknown, { limits, devices }: InstanceContext["config"]): Plan {
    const reason = "a chroot has none";
    const asked = { limits, devices };
    const refused = Object.entries(asked).filter(([, value]) => Object.keys(value).length > 0);
    return { changes: refused.map(([path]) => ({ path, effect: "unsupported", reason })) };
  }

  // A copy keeps this example short; a real driver would mount an overlay.
  async materialize({ tree, folder }: InstanceContext, { signal }: Abortable) {
    if (tree.kind !== "layers") throw new TypeError("an image of kind rootfs has layers");
    const dev = join(folder, "root/dev");
    // After a crash the engine removes the folder: by then no process may be filling it.
    const options = { signal, diesWithUs: true };
    await spawn(["cp", "--archive", "--reflink=auto", await tree.merged({ signal }), join(folder, "root")], options);
    await spawn(["cp", "--archive", "/dev/null", "/dev/zero", "/dev/tty", "/dev/urandom", dev], options);
  }

  async launch(instance: InstanceContext, { signal }: Abortable): Promise<Running<"exec">> {
    const root = await realpath(join(instance.folder, "root"));
    const { init } = instance.config["chroot"] as z.output<typeof Section>;
    // The open file holds the lock for as long as any process has it open. So its release tells of the end, also after
    // an adoption.
    const alive = await open(join(instance.run, "alive"), "w");
    // The same for the way in: the program gives this lock up once it has its own root.
    const outside = await open(join(instance.run, "outside"), "w");
    try {
      await spawn(["flock", "3"], { descriptors: [alive.fd], signal });
      await spawn(["flock", "3"], { descriptors: [outside.fd], signal });
      const program = spawnDetached(inOwnCgroup(cgroupOf(instance), argvInside(root, { argv: init })), {
        env: { ...TOOL_ENV, container: "chroot", ...instance.config.env },
        descriptors: ["ignore", "ignore", alive.fd, outside.fd],
      });
      await writeFile(join(instance.run, "init.json"), JSON.stringify(program.identity));
      program.begin();
      await outside.close();
      await using _ = await acquireLock(join(instance.run, "outside"), {});
      return running(instance, root, program.identity, program.exit);
    } finally {
      await Promise.all([alive.close(), outside.close()]);
    }
  }

  async adopt(instance: InstanceContext): Promise<Running<"exec"> | undefined> {
    const root = await realpath(join(instance.folder, "root"));
    const text = await readFile(join(instance.run, "init.json"), "utf8").catch(() => "");
    const identity = text === "" ? undefined : ProcessIdentitySchema.parse(JSON.parse(text));
    if (identity !== undefined && (await isAlive(identity))) return running(instance, root, identity, undefined);
    await endAllIn(root);
    return undefined;
  }

  // Everything is in the instance's folder, which the engine removes: no process that adopt() missed may run there.
  async remove(instance: InstanceContext): Promise<void> {
    await endAllIn(join(await realpath(instance.folder), "root"));
    await removeOwnCgroup(cgroupOf(instance));
  }
}

/** Apart from the cgroup of this process: else an instance would end with the service that started it. */
function cgroupOf({ uuid }: InstanceContext): string {
  return `pileus-chroot-${uuid}`;
}

function running(
  instance: InstanceContext,
  root: string,
  init: ProcessIdentity,
  status: Promise<ExitStatus> | undefined,
): Running<"exec"> {
  const detached = new AbortController();
  const { signal } = detached;
  const end = async () => {
    await using _ = await acquireLock(join(instance.run, "alive"), { signal });
    await endAllIn(root);
    await removeOwnCgroup(cgroupOf(instance));
    return status;
  };
  return {
    pid: init.pid,
    exited: end().catch(() => new Promise<undefined>(() => undefined)),
    shutdown: async () => {
      if (await isAlive(init)) process.kill(-init.pid, "SIGTERM");
    },
    kill: async () => {
      await signalProcess(init, "SIGKILL");
      await endAllIn(root);
    },
    detach: async () => detached.abort(),
    exec: (request, options) => exec({ name: instance.name, root }, request, options),
  };
}

/** Ends every process that has this root, also the programs that `exec()` started. */
async function endAllIn(root: string): Promise<void> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const identity = await identifyProcess(Number(pid));
    const its = await readlink(`/proc/${pid}/root`).catch(() => undefined);
    if (its === root && identity !== undefined) await signalProcess(identity, "SIGKILL");
  }
}
