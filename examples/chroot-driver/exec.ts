import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn as spawnOnTerminal } from "@lydell/node-pty";
import {
  type Abortable,
  type BackendProcess,
  type ExecRequest,
  findUser,
  type KeeperOrder,
  programOnPipes,
  programOnTerminal,
  TOOL_ENV,
} from "@pileus/core/driver";

const ROOT = { uid: 0, gid: 0, groups: [0] as readonly number[] };

/** The argv for the host that runs `argv` inside. */
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
  // env(1) starts it as execvp(3) does: 127 if it does not exist, 126 if it cannot be run. A shell's exec does not.
  // From here on it has its own root: what a launch waits for with descriptor 3.
  const script = 'exec 3>&-; cd "$0" || exit 126; exec /bin/busybox env -- "$@"';
  return [...enter, "sh", "-c", script, to.cwd ?? "/", ...to.argv];
}

/** Where programs run. */
interface Place {
  readonly name: string;
  readonly root: string;
}

/** What a keeper, or this process, starts to run a program inside. */
export async function orderInside({ name, root }: Place, request: ExecRequest) {
  const user = await findUser((path) => readFile(join(root, path), "utf8"), request.user);
  const env = { ...TOOL_ENV, HOSTNAME: name, HOME: user.home, USER: user.name, ...request.env };
  return { argv: argvInside(root, request, user), env, owner: user } satisfies KeeperOrder;
}

/**
 * A program inside: its process is a child of ours, in a group of its own, so that its pids and signals are the host's.
 */
export async function exec(place: Place, request: ExecRequest, { signal }: Abortable): Promise<BackendProcess> {
  const order = await orderInside(place, request);
  signal?.throwIfAborted();
  const { env } = order;
  // prctl(2), PR_SET_PDEATHSIG: it ends with this process. The kernel forgets that for a program of another user.
  const argv = ["setpriv", "--pdeathsig=KILL", ...order.argv];
  if (request.tty === undefined) return programOnPipes(spawn("/usr/bin/env", argv, { detached: true, env }));
  const { columns: cols, rows } = request.tty;
  const onTerminal = { env: { ...env, TERM: "xterm-256color" }, cwd: "/", cols, rows, encoding: null };
  const terminal = spawnOnTerminal("/usr/bin/env", argv, onTerminal);
  return programOnTerminal(terminal, (terminal as unknown as { readonly ptsName: string }).ptsName);
}
