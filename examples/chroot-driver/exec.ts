import { spawn as start } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Duplex, PassThrough } from "node:stream";
import { spawn as startOnTerminal } from "@lydell/node-pty";
import {
  type Abortable,
  type BackendProcess,
  type ExecRequest,
  type ExitStatus,
  identifyProcess,
  isAlive,
  NotFoundError,
  type ProcessIdentity,
  type SignalName,
  signalProcess,
  TOOL_ENV,
} from "@pileus/core/driver";
import { parseSignal, signalName } from "@pileus/core/files";

const ROOT = { uid: "0", gid: "0", groups: ["0"], name: "root", home: "/root" };

/** What to run on the host so that `argv` runs inside. */
export function argvInside(root: string, to: { argv: readonly string[]; cwd?: string | undefined }, user = ROOT) {
  const { uid, gid, groups } = user;
  // reboot(2) of a chroot would be the host's.
  const enter = [
    "setpriv",
    "--bounding-set=-sys_boot",
    "chroot",
    `--userspec=${uid}:${gid}`,
    `--groups=${groups}`,
    root,
  ];
  // env(1) starts it as execvp(3) does: 127 for what is not there, 126 for what cannot be run. A shell's exec does not.
  const script = 'cd "$0" || exit 126; exec /bin/busybox env -- "$@"';
  return [...enter, "sh", "-c", script, to.cwd ?? "/", ...to.argv];
}

/** A program inside: its process is a child of ours, in a group of its own, so that pids and signals are simply the host's. */
export async function exec(
  { name, root }: { readonly name: string; readonly root: string },
  request: ExecRequest,
  { signal }: Abortable,
): Promise<BackendProcess> {
  const user = await findUser(root, request.user);
  signal?.throwIfAborted();
  const env = { ...TOOL_ENV, HOSTNAME: name, HOME: user.home, USER: user.name, ...request.env };
  const argv = argvInside(root, request, user);
  return request.tty === undefined
    ? onPipes(argv, env)
    : onTerminal(argv, { ...env, TERM: "xterm-256color" }, request.tty);
}

function onPipes(argv: readonly string[], env: Record<string, string>): BackendProcess {
  const child = start("/usr/bin/env", argv, { detached: true, env });
  // Without a number it could not be started, of which its exit tells.
  const group = child.pid === undefined ? undefined : new ProgramGroup(child.pid);
  // The reader of a broken pipe is told by the program's end.
  child.stdin.on("error", () => undefined);
  const exit = new Promise<ExitStatus>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, by) => {
      group?.markEnded();
      resolve(by ? { kind: "signaled", signal: by } : { kind: "exited", code: code ?? 0 });
    });
  });
  // Through a stream of ours: what a child left unread at its end, Node throws away.
  const [stdout, stderr] = [child.stdout.pipe(new PassThrough()), child.stderr.pipe(new PassThrough())];
  const streams = { kind: "pipes", stdin: child.stdin, stdout, stderr } as const;
  return { streams, exit, kill: async (signal) => group?.kill(signal), resize: async () => undefined };
}

function onTerminal(
  argv: readonly string[],
  env: Record<string, string>,
  { columns: cols, rows }: { readonly columns: number; readonly rows: number },
): BackendProcess {
  const terminal = startOnTerminal("/usr/bin/env", [...argv], { env, cwd: "/", cols, rows, encoding: null });
  // Else the end of the last program on it would be the end of what is still to be read (libuv, uv__stream_io, POLLHUP).
  const held = openSync((terminal as unknown as { ptsName: string }).ptsName, constants.O_RDWR | constants.O_NOCTTY);
  const tty = new Duplex({
    read: () => terminal.resume(),
    write: (chunk: Buffer, _, next) => {
      // Bytes, both ways, though its types do not say so.
      terminal.write(chunk as unknown as string);
      next();
    },
    destroy: (error, done) => {
      // It hangs up, as a terminal that is closed does.
      signalGroup(terminal.pid, "SIGHUP");
      // Its end is told only when all that it printed has been read.
      terminal.resume();
      done(error);
    },
  });
  terminal.onData((chunk) => {
    if (!tty.push(chunk) && !tty.destroyed) terminal.pause();
  });
  const group = new ProgramGroup(terminal.pid);
  const exit = new Promise<ExitStatus>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      group.markEnded();
      closeSync(held);
      tty.push(null);
      resolve(signal ? { kind: "signaled", signal: signalName(signal) } : { kind: "exited", code: exitCode });
    });
  });
  const resize: BackendProcess["resize"] = async (size) => terminal.resize(size.columns, size.rows);
  return { streams: { kind: "tty", tty }, exit, kill: (signal) => group.kill(signal), resize };
}

/** How signals reach a program by its group, and after its end those of the group that it left. */
class ProgramGroup {
  readonly #pid: number;
  #left: Promise<readonly ProcessIdentity[]> | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  markEnded(): void {
    this.#left = findProcesses(({ group }) => group === this.#pid);
  }

  async kill(signal: SignalName): Promise<void> {
    if (this.#left !== undefined) {
      // While one of them lives, the number is still this group's.
      const alive = await Promise.all((await this.#left).map((identity) => isAlive(identity)));
      if (alive.includes(true)) signalGroup(this.#pid, signal);
      return;
    }
    // A kill takes along what the program started, in groups of their own too.
    const descendants = signal === "SIGKILL" ? await this.#descendants() : [];
    signalGroup(this.#pid, signal);
    for (const identity of descendants) await signalProcess(identity, "SIGKILL");
  }

  async #descendants(): Promise<readonly ProcessIdentity[]> {
    const found = new Set([this.#pid]);
    const all = await readProcesses();
    // What is added is looked at in its turn.
    for (const parent of found) for (const one of all) if (one.parent === parent) found.add(one.pid);
    found.delete(this.#pid);
    return findProcesses(({ pid }) => found.has(pid));
  }
}

/** proc_pid_stat(5): fields 1, 4 and 5. */
interface ProcessIds {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

async function readProcesses(): Promise<readonly ProcessIds[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(names.map((name) => readFile(`/proc/${name}/stat`, "latin1").catch(() => "")));
  return stats
    .filter((stat) => stat !== "")
    .map((stat) => {
      // The second field is a name in parentheses, which may hold anything.
      const [, parent = 0, group = 0] = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      return { pid: Number.parseInt(stat, 10), parent, group };
    });
}

async function findProcesses(wanted: (ids: ProcessIds) => boolean): Promise<readonly ProcessIdentity[]> {
  const found = (await readProcesses()).filter(wanted);
  const identities = await Promise.all(found.map(({ pid }) => identifyProcess(pid)));
  return identities.filter((identity) => identity !== undefined);
}

function signalGroup(pid: number, signal: SignalName): void {
  try {
    process.kill(-pid, parseSignal(signal));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A user by the image's own passwd(5) and group(5), or by number. */
async function findUser(root: string, asked = "0"): Promise<typeof ROOT> {
  const table = async (name: string) =>
    (await readFile(join(root, "etc", name), "utf8")).split("\n").map((line) => line.split(":"));
  const [user = "", group] = asked.split(":");
  const entry = (await table("passwd")).find(([name, , uid]) => name === user || uid === user);
  if (entry === undefined && !/^\d+$/.test(user)) throw new NotFoundError("user", user);
  const [name = user, , uid = user, itsGid = "0", , home = "/"] = entry ?? [];
  const gid = group ?? itsGid;
  const more = (await table("group"))
    .filter(([, , , members]) => members?.split(",").includes(name))
    .map(([, , id = ""]) => id);
  return { uid, gid, groups: group === undefined ? [gid, ...more] : [gid], name, home };
}
