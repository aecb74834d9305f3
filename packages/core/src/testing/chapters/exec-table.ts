import type { ExitStatus } from "../../terms/state.ts";
import type { TerminalSize } from "../../terms/terminal-size.ts";
import { CONFIG_ENV, SHARED } from "../kit/fixture.ts";
import type { SubjectAccount } from "../kit/subject.ts";

/** One promise about `run()`: the input, and the expected result. */
export interface ExecRow {
  readonly name: string;
  readonly argv: readonly string[];
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  /** Default: empty. */
  readonly stdout?: string | RegExp;
  /** Default: empty. */
  readonly stderr?: string | RegExp;
  /** The exit code, or the signal that ended the program. Default 0. */
  readonly exit?: number | NodeJS.Signals;
}

/** The same for a program on a terminal, which has only one output stream. */
export interface TtyRow extends Omit<ExecRow, "input" | "stderr"> {
  readonly tty: TerminalSize;
}

const sh = (script: string, ...args: string[]) => ["sh", "-c", script, ...args];
const SOMETHING = /\S/;
const HOST_SECRET = "PILEUS_KIT_SECRET";

/** A variable in the environment of this process while the table runs: programs inside must not see it. */
export const PLANTED: Readonly<Record<string, string>> = { [HOST_SECRET]: "planted" };

export function execTable({ name, uid, gid, groups }: SubjectAccount): readonly ExecRow[] {
  const ids = "id -u; id -g";
  return [
    { name: "prints to stdout", argv: ["echo", "hello"], stdout: "hello\n" },
    {
      name: "takes each argument as it is",
      argv: ["printf", "[%s]\\n", "a b", 'it\'s "quoted"', "", "two\nlines", "$HOME `x` \\ * ~ ;", "ünï☁"],
      stdout: '[a b]\n[it\'s "quoted"]\n[]\n[two\nlines]\n[$HOME `x` \\ * ~ ;]\n[ünï☁]\n',
    },
    {
      name: "takes an argument that looks like an option",
      argv: ["echo", "--", "-v", "--help"],
      stdout: "-- -v --help\n",
    },
    { name: "keeps stdout and stderr apart", argv: sh("echo out; echo err >&2"), stdout: "out\n", stderr: "err\n" },
    { name: "returns the exit code", argv: sh("exit 7"), exit: 7 },
    { name: "returns exit code 1", argv: ["false"], exit: 1 },
    { name: "returns exit code 255", argv: sh("exit 255"), exit: 255 },
    { name: "gives 127 for a program that is on no path", argv: ["no-such-program"], stderr: SOMETHING, exit: 127 },
    { name: "gives 127 for a path that does not exist", argv: ["/no/such/program"], stderr: SOMETHING, exit: 127 },
    { name: "gives 126 for a file that is not executable", argv: ["/etc/passwd"], stderr: SOMETHING, exit: 126 },
    { name: "gives 126 for a folder", argv: ["/etc"], stderr: SOMETHING, exit: 126 },
    { name: "gives 126 for a path that leads through a file", argv: ["/etc/passwd/x"], stderr: SOMETHING, exit: 126 },
    { name: "gives 126 for a path that is too long", argv: [`/${"x".repeat(5000)}`], stderr: SOMETHING, exit: 126 },
    { name: "reports a program that ended by SIGTERM", argv: sh("kill -TERM $$"), exit: "SIGTERM" },
    { name: "reports a program that ended by SIGKILL", argv: sh("kill -KILL $$"), exit: "SIGKILL" },
    { name: "distinguishes exit code 143 from an end by SIGTERM", argv: sh("exit 143"), exit: 143 },
    { name: "distinguishes exit code 137 from an end by SIGKILL", argv: sh("exit 137"), exit: 137 },
    {
      name: "writes the input to stdin and closes it",
      argv: ["cat"],
      input: "line 1\nline 2, unended",
      stdout: "line 1\nline 2, unended",
    },
    { name: "closes stdin at once without an input", argv: ["cat"], stdout: "" },
    { name: "copes with a program that reads no stdin", argv: ["true"], input: "x".repeat(2 ** 20) },
    {
      name: "carries a mebibyte both ways",
      argv: ["cat"],
      input: "0123456789abcdef".repeat(2 ** 16),
      stdout: "0123456789abcdef".repeat(2 ** 16),
    },
    {
      name: "decodes UTF-8 wherever the chunks end",
      argv: ["cat"],
      input: "☁é".repeat(50_000),
      stdout: "☁é".repeat(50_000),
    },
    {
      name: "passes env",
      argv: sh('printf "[%s][%s]" "$KIT_A" "$KIT_B"'),
      env: { KIT_A: "1  2", KIT_B: "x=$y\n☁" },
      stdout: "[1  2][x=$y\n☁]",
    },
    { name: "passes the env of the configuration", argv: sh("echo $KIT_CONFIG"), stdout: `${CONFIG_ENV.KIT_CONFIG}\n` },
    {
      name: "lets env of the call win over that of the configuration",
      argv: sh("echo $KIT_CONFIG"),
      env: { KIT_CONFIG: "mine" },
      stdout: "mine\n",
    },
    {
      name: "passes nothing of the host's environment",
      argv: ["env"],
      stdout: new RegExp(`^(?![\\s\\S]*${HOST_SECRET})`),
    },
    { name: "gives PATH, HOME and USER", argv: sh('echo "$HOME $USER"; test -n "$PATH"'), stdout: "/root root\n" },
    { name: "gives HOSTNAME", argv: sh("echo $HOSTNAME"), stdout: `${SHARED}\n` },
    {
      name: "takes two megabytes of arguments, less what the instance needs itself",
      argv: sh("echo $#", "x", ...Array.from({ length: 14 }, () => "x".repeat(131_071))),
      stdout: "14\n",
    },
    { name: "sets no TERM without a terminal", argv: sh('printf "[%s]" "$TERM"'), stdout: "[]" },
    { name: "gives 126 for a cwd that does not exist", argv: ["pwd"], cwd: "/none", stderr: /\/none/, exit: 126 },
    { name: "gives 126 for a cwd that is a file", argv: ["pwd"], cwd: "/etc/passwd", stderr: SOMETHING, exit: 126 },
    { name: "starts in cwd", argv: ["pwd"], cwd: "/tmp", stdout: "/tmp\n" },
    { name: "finds a relative program from cwd", argv: ["./passwd"], cwd: "/etc", stderr: SOMETHING, exit: 126 },
    { name: "runs as root by default", argv: sh(ids), stdout: "0\n0\n" },
    { name: "runs as a user by name", argv: sh(ids), user: name, stdout: `${uid}\n${gid}\n` },
    {
      name: "gives a named user its groups",
      argv: sh("id -G"),
      user: name,
      stdout: new RegExp(`^${groups.join(" ")}\\n$`),
    },
    {
      name: "has the primary group among a user's groups, as initgroups(3) does",
      argv: ["id"],
      user: name,
      stdout: new RegExp(` groups=(?:.*,)?${gid}\\b`),
    },
    { name: "gives a named user its own USER", argv: sh("echo $USER"), user: name, stdout: `${name}\n` },
    { name: "runs as a user by number", argv: sh(ids), user: String(uid), stdout: `${uid}\n${gid}\n` },
    {
      name: "has the primary group of a user and a group by number among its groups, and no other",
      argv: ["id"],
      user: `${uid}:${gid}`,
      stdout: new RegExp(` groups=${gid}(?:\\(\\S+\\))?\\n$`),
    },
    { name: "runs as a number that no account has", argv: sh(ids), user: "54321", stdout: "54321\n0\n" },
    { name: "runs as user and group by number", argv: sh(ids), user: "54321:12345", stdout: "54321\n12345\n" },
    { name: "has no terminal by default", argv: sh("test -t 0 || test -t 1 || test -t 2"), exit: 1 },
  ];
}

const SIZE = { columns: 91, rows: 33 };

export const TTY_TABLE: readonly TtyRow[] = [
  {
    name: "is a terminal on all three",
    argv: sh("test -t 0 && test -t 1 && test -t 2 && echo yes"),
    tty: SIZE,
    stdout: "yes\r\n",
  },
  { name: "has the requested size", argv: ["stty", "size"], tty: SIZE, stdout: "33 91\r\n" },
  { name: "carries stdout and stderr in one", argv: sh("echo out; echo err >&2"), tty: SIZE, stdout: "out\r\nerr\r\n" },
  { name: "keeps the exit code", argv: sh("exit 7"), tty: SIZE, exit: 7 },
  { name: "reports an end by a signal", argv: sh("kill -TERM $$"), tty: SIZE, exit: "SIGTERM" },
  {
    name: "gives 127 for a program that does not exist",
    argv: ["no-such-program"],
    tty: SIZE,
    stdout: SOMETHING,
    exit: 127,
  },
  { name: "sets TERM", argv: sh("echo $TERM"), tty: SIZE, stdout: "xterm-256color\r\n" },
  {
    name: "passes env, cwd and user",
    argv: sh("echo $A; pwd; id -u"),
    env: { A: "1" },
    cwd: "/tmp",
    user: "54321",
    tty: SIZE,
    stdout: "1\r\n/tmp\r\n54321\r\n",
  },
];

export function exitOf(row: { readonly exit?: number | NodeJS.Signals }): ExitStatus {
  const { exit = 0 } = row;
  return typeof exit === "number" ? { kind: "exited", code: exit } : { kind: "signaled", signal: exit };
}
