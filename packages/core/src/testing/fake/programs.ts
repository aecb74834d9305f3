import { constants } from "node:os";
import { posix } from "node:path";
import type { FakeCall, FakeProgram } from "./process.ts";
import { sh } from "./shell.ts";
import { now } from "./tree.ts";

const ZEROS = Buffer.alloc(64 * 1024);

/** The programs that every fake instance can run, whether its image has them or not. */
export const PROGRAMS: Readonly<Record<string, FakeProgram>> = {
  sh,
  true: () => 0,
  sync: () => 0,
  async setsid(call) {
    const child = call.start(call.argv.slice(1), { apart: true });
    const killed = new Promise<void>((resolve) =>
      call.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    await Promise.race([child.exit, killed]);
    call.signal.throwIfAborted();
    const status = await child.exit;
    return status.kind === "exited" ? status.code : 1;
  },
  mkfifo(call) {
    const { folder, name } = call.tree.place("mkfifo", posix.resolve(call.cwd, call.argv[1] ?? ""), { follow: false });
    folder.entries.set(name, { type: "fifo", mode: 0o644, uid: call.user.uid, gid: call.user.gid, mtimeNs: now() });
    return 0;
  },
  false: () => 1,
  echo: (call) => printed(call, `${call.argv.slice(1).join(" ")}\n`),
  // date +%s
  date: (call) => printed(call, `${Math.floor(Date.now() / 1000)}\n`),
  pwd: (call) => printed(call, `${call.cwd}\n`),
  env: (call) =>
    printed(
      call,
      Object.entries(call.env).reduce((all, [key, value]) => `${all}${key}=${value}\n`, ""),
    ),
  printf: (call) => printed(call, format(call.argv[1] ?? "", call.argv.slice(2))),
  async cat(call) {
    const paths = call.argv.slice(1);
    if (paths.length === 0) {
      for (let chunk = await call.read(); chunk !== undefined; chunk = await call.read()) await call.print(chunk);
    }
    for (const path of paths) await call.print(call.tree.content("read", posix.resolve(call.cwd, path)));
    return 0;
  },
  async head(call) {
    // head -c BYTES [FILE]
    const [, , bytes, path] = call.argv;
    let left = Number(bytes);
    while (left > 0) {
      const chunk =
        path === "/dev/zero" ? ZEROS : path === undefined ? await call.read() : call.tree.content("read", path);
      if (chunk === undefined) break;
      await call.print(chunk.subarray(0, left));
      left -= path === undefined || path === "/dev/zero" ? Math.min(left, chunk.length) : left;
    }
    return 0;
  },
  async yes(call) {
    const lines = `${call.argv[1] ?? "y"}\n`.repeat(2048);
    for (;;) await call.print(lines);
  },
  async sleep(call) {
    const [, text = ""] = call.argv;
    await call.sleep(text === "infinity" ? Number.POSITIVE_INFINITY : Number(text) * 1000);
    return 0;
  },
  ls(call) {
    const path = posix.resolve(call.cwd, call.argv.at(-1)?.startsWith("-") ? "." : (call.argv[1] ?? "."));
    const node = call.tree.node("list", path);
    return printed(
      call,
      node.type === "directory" ? [...node.entries.keys()].sort().join("\n").concat("\n") : `${path}\n`,
    );
  },
  id(call) {
    const { name, uid, gid, groups } = call.user;
    const answers: Readonly<Record<string, string>> = {
      "-u": `${uid}`,
      "-g": `${gid}`,
      "-un": name,
      "-G": groups.join(" "),
    };
    return printed(
      call,
      `${answers[call.argv[1] ?? ""] ?? `uid=${uid}(${name}) gid=${gid} groups=${groups.join(",")}`}\n`,
    );
  },
  async kill(call) {
    const [, ...words] = call.argv;
    const option = words[0]?.startsWith("-") && words.length > 1 ? words.shift()?.slice(1) : "TERM";
    const signal = option === "0" ? 0 : signalOf(option ?? "TERM");
    let code = 0;
    for (const pid of words.map(Number)) {
      if (call.kill(pid, signal)) continue;
      await call.complain(`kill: ${pid}: no such process\n`);
      code = 1;
    }
    return code;
  },
  test(call) {
    const [, option, value = ""] = call.argv;
    const node = () => call.tree.find(posix.resolve(call.cwd, value));
    switch (option) {
      case "-t":
        return call.terminal === undefined ? 1 : 0;
      case "-e":
        return node() === undefined ? 1 : 0;
      case "-f":
        return node()?.type === "file" ? 0 : 1;
      case "-d":
        return node()?.type === "directory" ? 0 : 1;
      case "-n":
        return value === "" ? 1 : 0;
      case "-z":
        return value === "" ? 0 : 1;
      default:
        throw new Error(`a fake instance's test does not know ${option}`);
    }
  },
  tty: (call) => printed(call, call.terminal === undefined ? "not a tty\n" : "/dev/pts/0\n", call.terminal ? 0 : 1),
  stty(call) {
    const console = call.argv.slice(1, 3).join(" ") === "-F /dev/console" ? call.output.console : undefined;
    if (console !== undefined) return printed(call, `${console.size.rows} ${console.size.columns}\n`);
    const { terminal } = call;
    if (terminal === undefined) throw new Error("standard input: not a tty");
    for (const word of call.argv.slice(1)) if (word === "echo" || word === "-echo") terminal.echo = word === "echo";
    const { rows, columns } = terminal.size;
    return call.argv[1] === "size" ? printed(call, `${rows} ${columns}\n`) : 0;
  },
  poweroff(call) {
    call.kill(1, "SIGUSR2");
    return 0;
  },
};

/** A signal by name, with `SIG` or without, or by number. */
function signalOf(text: string): NodeJS.Signals {
  const found = Object.entries(constants.signals).find(
    ([name, number]) => name === text || name === `SIG${text}` || String(number) === text,
  );
  if (found === undefined) throw new Error(`bad signal ${text}`);
  return found[0] as NodeJS.Signals;
}

async function printed(call: FakeCall, text: string, code = 0): Promise<number> {
  await call.print(text);
  return code;
}

/** As printf(1): `%s`, `%%`, `\n`, `\t`, `\\`; the format is reused for the remaining arguments. */
function format(pattern: string, values: readonly string[]): string {
  let all = "";
  let at = 0;
  do {
    all += pattern.replace(/%s|%%|\\[nt\\]/g, (code) => {
      if (code === "%s") return values[at++] ?? "";
      return { "%%": "%", "\\n": "\n", "\\t": "\t" }[code] ?? "\\";
    });
  } while (at > 0 && at < values.length);
  return all;
}
