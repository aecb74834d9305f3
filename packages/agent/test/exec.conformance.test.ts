import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { identifyProcess, readIfThereSync, waitForEnd } from "@pileus/core/driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../src/index.ts";
import { AgentProcess, DEADLINE, request } from "./support/agent-process.ts";
import { run, runOnTerminal } from "./support/run.ts";

let agent: AgentProcess;
let client: AgentClient;

beforeAll(async () => {
  agent = await AgentProcess.start();
  client = await agent.client();
}, 60_000);

afterAll(async () => {
  client?.close();
  await agent?.[Symbol.asyncDispose]();
});

const sh = (script: string, ...args: string[]) => ["sh", "-c", script, ...args];
const exited = (code: number) => ({ kind: "exited", code });

/** Whether a process lives and is not a zombie. */
function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let all = "";
  while (!all.includes("\n")) all += String((await once(stream, "data"))[0]);
  return all.trim();
}

describe("exec on pipes", () => {
  it.each([
    ["keeps stdout and stderr apart", sh("echo out; echo err >&2"), {}, "out\n", "err\n", 0],
    ["returns the exit code", sh("exit 7"), {}, "", "", 7],
    ["closes stdin at its end", ["cat"], { stdin: "unended" }, "unended", "", 0],
    ["copes with a program that reads no stdin", ["true"], { stdin: Buffer.alloc(2 ** 20) }, "", "", 0],
    [
      "exits with 127 for a name that is not on PATH",
      ["no-such"],
      {},
      "",
      "exec: cannot run no-such: not found\n",
      127,
    ],
    ["exits with 127 for a missing path", ["/no/such"], {}, "", "exec: cannot run /no/such: not found\n", 127],
    ["exits with 126 for a folder", ["/etc"], {}, "", "exec: cannot run /etc: permission denied\n", 126],
    ["exits with 126 for a file without the x bit", ["./passwd"], { cwd: "/etc" }, "", /permission denied\n$/, 126],
    ["exits with 126 for a missing cwd", ["true"], { cwd: "/no" }, "", "exec: cannot enter /no: not found\n", 126],
    ["starts in cwd", ["pwd"], { cwd: "/tmp" }, "/tmp\n", "", 0],
    ["passes each argument unchanged", ["printf", "[%s]", "a b", "", "$x\n"], {}, "[a b][][$x\n]", "", 0],
    ["keeps the program's name as it was called", sh("tr '\\0' ' ' </proc/$$/cmdline"), {}, /^sh -c /, "", 0],
    [
      "passes env and none of the agent's variables",
      ["env"],
      { env: { A: "1\n2" } },
      /^(?!.*UV_)[\s\S]*A=1\n2\n/,
      "",
      0,
    ],
    [
      "lets a program open its streams by name",
      sh("cat /dev/stdin >/dev/stdout; echo e >/dev/stderr"),
      { stdin: "x" },
      "x",
      "e\n",
      0,
    ],
    [
      "looks for a name in the PATH of env",
      ["env"],
      { env: { PATH: "/none" } },
      "",
      "exec: cannot run env: not found\n",
      127,
    ],
  ] as const)("%s", async (_, argv, more, stdout, stderr, code) => {
    const result = await run(client, argv, more);
    expect(result.stdout).toEqual(typeof stdout === "string" ? stdout : expect.stringMatching(stdout));
    expect(result.stderr).toEqual(typeof stderr === "string" ? stderr : expect.stringMatching(stderr));
    expect(result.exit).toEqual(exited(code));
  });

  it("reports an end by a signal", async () => {
    expect((await run(client, sh("kill -TERM $$"))).exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
  });

  it("carries a mebibyte both ways", async () => {
    const stdin = "0123456789abcdef".repeat(2 ** 16);
    expect((await run(client, ["cat"], { stdin })).stdout).toBe(stdin);
  });

  it("runs a hundred programs at once and keeps their streams apart", async () => {
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    const results = await Promise.all(numbers.map((n) => run(client, sh(`cat; exit ${n}`), { stdin: `in ${n}` })));
    expect(results).toEqual(numbers.map((n) => ({ stdout: `in ${n}`, stderr: "", exit: exited(n) })));
  });

  it("holds back a program with unread output, while others go on", async () => {
    const size = 24 * 2 ** 20;
    const { streams, exit } = await client.exec(request(["head", "-c", String(size), "/dev/zero"]));
    if (streams.kind !== "pipes") throw new Error("not on pipes");
    for (let i = 0; i < 20; i += 1) expect((await run(client, ["echo", "hi"])).stdout).toBe("hi\n");
    await expect(Promise.race([exit, Promise.resolve("under way")])).resolves.toBe("under way");
    expect(streams.stdout.readableLength).toBeGreaterThan(0);
    expect(streams.stdout.readableLength).toBeLessThan(2 ** 20);
    expect((await text(streams.stdout)).length).toBe(size);
    expect(await exit).toEqual(exited(0));
  });

  it("sends signals to the program's whole group", async () => {
    const process = await client.exec(request(sh("sleep 1000 & echo $!; wait")));
    if (process.streams.kind !== "pipes") throw new Error("not on pipes");
    const child = Number(await firstLine(process.streams.stdout));
    const identity = await identifyProcess(child);
    if (identity === undefined) throw new Error("the child ended by itself");
    await process.kill("SIGKILL");
    expect(await process.exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
    await waitForEnd(identity, { timeout: DEADLINE });
    // After the end, a signal does nothing.
    await process.kill("SIGKILL");
  });

  it("signals the rest of the group after the program's end, until the owner releases it", async () => {
    const left = async () => {
      const program = await client.exec(request(sh("sleep 1000 >/dev/null 2>&1 & echo $!")));
      if (program.streams.kind !== "pipes") throw new Error("not on pipes");
      const child = Number(await text(program.streams.stdout));
      expect(await program.exit).toEqual(exited(0));
      return { program, child };
    };
    const first = await left();
    const identity = await identifyProcess(first.child);
    if (identity === undefined) throw new Error("the child ended by itself");
    await first.program.kill("SIGTERM");
    await waitForEnd(identity, { timeout: DEADLINE });
    const second = await left();
    second.program.release?.();
    await second.program.kill("SIGKILL");
    await client.ping();
    expect(lives(second.child)).toBe(true);
    process.kill(second.child, "SIGKILL");
  });

  it("tells how a program ended whose call was cancelled meanwhile", async () => {
    const program = await client.exec(request(["sleep", "1000"]));
    program.release?.();
    expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
  });

  it("does not report an unrelated kill as one for lack of memory", async () => {
    const program = await client.exec(request(sh("kill -KILL $$")));
    expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
    expect(await program.ranOutOfMemory?.()).toBe(false);
  });

  it("ends the writes of a program whose reader was destroyed", async () => {
    const { streams, exit } = await client.exec(request(["yes"]));
    if (streams.kind !== "pipes") throw new Error("not on pipes");
    streams.stdout.destroy();
    expect(await exit).toEqual({ kind: "signaled", signal: "SIGPIPE" });
  });

  it("reports the exit at once, even if a background program holds the output", async () => {
    const { streams, exit } = await client.exec(request(sh("sleep 1000 & echo $!; exit 3")));
    if (streams.kind !== "pipes") throw new Error("not on pipes");
    const pid = Number(await firstLine(streams.stdout));
    expect(await exit).toEqual(exited(3));
    process.kill(pid, "SIGKILL");
    streams.stdout.resume();
    await once(streams.stdout, "end");
  });

  it("rejects with the signal's reason when aborted before it returns", async () => {
    const reason = new Error("changed my mind");
    const abort = new AbortController();
    const begun = client.exec(request(["sleep", "1000"]), { signal: abort.signal });
    abort.abort(reason);
    await expect(begun).rejects.toBe(reason);
    await expect(client.exec(request(["true"]), { signal: abort.signal })).rejects.toBe(reason);
    await client.ping();
    const left = async () => {
      const { stdout } = await run(client, sh(`cat /proc/${agent.pid}/task/*/children`));
      const children = stdout.split(/\s+/).filter(Boolean).map(Number).filter(lives);
      return children.filter((child) => readIfThereSync(`/proc/${child}/cmdline`)?.startsWith("sleep"));
    };
    // On a busy machine a killed process takes a while to be gone.
    await expect.poll(left, { timeout: 10_000 }).toEqual([]);
  });

  it("rejects with NotFoundError for a user and a group that the guest does not have", async () => {
    await expect(run(client, ["true"], { user: "nobody-of-this-name" })).rejects.toMatchObject({
      code: "ERR_USER_NOT_FOUND",
      message: `no user "nobody-of-this-name": it is not in the instance's /etc/passwd`,
    });
    await expect(run(client, ["true"], { user: "0:no-such-group" })).rejects.toMatchObject({
      code: "ERR_GROUP_NOT_FOUND",
      message: `no group "no-such-group": it is not in the instance's /etc/group`,
    });
  });

  it("rejects with ConfigError a request that is too large for one call", async () => {
    await expect(run(client, ["true", "x".repeat(2 ** 24)])).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });

  it("accepts as many arguments as Linux does, and names the error if there are more", async () => {
    const hundred = "x".repeat(100_000);
    const { stdout } = await run(
      client,
      sh('echo "$#" "$(printf %s "$1" | wc -c)"', "sh", ...Array<string>(18).fill(hundred)),
    );
    expect(stdout).toBe("18 100000\n");
    for (const args of [["x".repeat(200_000)], Array<string>(80).fill(hundred)]) {
      const { stderr, exit } = await run(client, ["true", ...args]);
      expect([stderr, exit]).toEqual(["exec: cannot run true: E2BIG\n", exited(126)]);
    }
  });

  it("keeps a variable with any name", async () => {
    const env = JSON.parse('{"__proto__":"kept"}') as Record<string, string>;
    expect((await run(client, ["env"], { env })).stdout).toContain("__proto__=kept\n");
  });

  it("gives HOSTNAME", async () => {
    expect((await run(client, sh("echo $HOSTNAME"))).stdout).toBe(`${hostname()}\n`);
  });

  it("passes on none of the agent's settings: umask, limit of open files, ignored signals", async () => {
    const limits = await run(client, sh("umask; ulimit -Sn; grep -E '^Sig(Ign|Blk)' /proc/self/status"));
    expect(limits.stdout).toBe("0022\n1024\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });

  it.each([
    [34, "SIGRTMIN"],
    [37, "SIGRTMIN+3"],
    [64, "SIGRTMIN+30"],
  ])("reports an end by the real-time signal %i", async (number, signal) => {
    expect((await run(client, sh(`kill -${number} $$`))).exit).toEqual({ kind: "signaled", signal });
  });
});

describe("exec on a terminal", () => {
  it("is a terminal of the requested size, with TERM", async () => {
    const { output, exit } = await runOnTerminal(client, sh("test -t 2 && stty size; echo $TERM; exit 3"));
    expect(output).toBe("17 91\r\nxterm-256color\r\n");
    expect(exit).toEqual(exited(3));
  });

  it("reports an end by a signal, and a missing program with 127 in its one stream", async () => {
    expect((await runOnTerminal(client, sh("kill -TERM $$"))).exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
    expect((await runOnTerminal(client, sh("kill -37 $$"))).exit).toEqual({ kind: "signaled", signal: "SIGRTMIN+3" });
    const missing = await runOnTerminal(client, ["no-such"]);
    expect(missing).toEqual({ output: "exec: cannot run no-such: not found\r\n", exit: exited(127) });
  });

  it("has the kernel's default settings, and erases whole UTF-8 characters", async () => {
    // termbits.h: ICRNL IXON IUTF8; OPOST ONLCR; B38400 CS8 CREAD; ISIG ICANON ECHO ECHOE ECHOK ECHOCTL ECHOKE IEXTEN;
    // then c_cc.
    const { output } = await runOnTerminal(client, ["stty", "-g"]);
    expect(output).toMatch(/^4500:5:bf:8a3b:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0:/);
  });

  it("resizes, accepts input, and passes signals on", async () => {
    const process = await client.exec(
      request(
        sh("trap 'stty size' WINCH; trap 'exit 9' INT; echo ready; while :; do read line && echo got $line; done"),
        {
          tty: { columns: 80, rows: 24 },
        },
      ),
    );
    if (process.streams.kind !== "tty") throw new Error("not on a terminal");
    const { tty } = process.streams;
    let all = "";
    tty.on("data", (chunk) => {
      all += chunk;
    });
    const until = async (pattern: RegExp) => {
      while (!pattern.test(all)) await once(tty, "data");
    };
    await until(/ready/);
    tty.write("hello\n");
    await until(/got hello/);
    await process.resize({ columns: 100, rows: 50 });
    await until(/50 100/);
    // The terminal's own interrupt character.
    tty.write("\x03");
    expect(await process.exit).toEqual(exited(9));
  });

  it("loses no output that a slow reader reads after the program's end", async () => {
    const { streams, exit } = await client.exec(request(["seq", "100000"], { tty: { columns: 80, rows: 24 } }));
    if (streams.kind !== "tty") throw new Error("not on a terminal");
    await run(client, ["true"]);
    expect((await text(streams.tty)).split("\r\n").slice(-2)).toEqual(["100000", ""]);
    expect(await exit).toEqual(exited(0));
  });

  it("lets no other program inherit it", async () => {
    // The descriptors that the agent itself inherited do not count.
    const descriptors = async () => (await run(client, sh("cd /proc/self/fd; echo *"))).stdout;
    const before = await descriptors();
    const terminal = await client.exec(request(sh("echo ready; exec sleep 1000"), { tty: { columns: 80, rows: 24 } }));
    if (terminal.streams.kind !== "tty") throw new Error("not on a terminal");
    expect(await firstLine(terminal.streams.tty)).toBe("ready");
    expect(await descriptors()).toBe(before);
    await terminal.kill("SIGKILL");
    await terminal.exit;
  });

  it("hangs up when it is destroyed", async () => {
    const { streams, exit } = await client.exec(
      request(sh("echo ready; exec sleep 1000"), { tty: { columns: 80, rows: 24 } }),
    );
    if (streams.kind !== "tty") throw new Error("not on a terminal");
    expect(await firstLine(streams.tty)).toBe("ready");
    streams.tty.destroy();
    expect(await exit).toEqual({ kind: "signaled", signal: "SIGHUP" });
  });
});

describe("a file that cannot be executed", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pileus-programs-"));
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o755 });
    write("text", 'echo "$0: $*"');
    write("lost", "#!/no/such/interpreter\n");
    write("elf", "\x7fELF and nothing more");
    symlinkSync("loop", join(folder, "loop"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is run by the shell if it is a text", async () => {
    const { stdout, exit } = await run(client, ["./text", "a", "b c"], { cwd: folder });
    expect([stdout, exit]).toEqual(["./text: a b c\n", exited(0)]);
    const terminal = await runOnTerminal(client, ["./text", "a"], { cwd: folder });
    expect(terminal).toEqual({ output: "./text: a\r\n", exit: exited(0) });
  });

  it.each([
    ["./lost", 127, "not found"],
    ["./elf", 126, "ENOEXEC"],
    ["./text/under", 126, "not a folder"],
    ["./loop", 126, "ELOOP"],
    ["x/".repeat(3000), 126, "ENAMETOOLONG"],
  ])("is reported by exit code and in words: %.12s", async (name, code, why) => {
    const { stderr, exit } = await run(client, [name], { cwd: folder });
    expect([stderr, exit]).toEqual([`exec: cannot run ${name}: ${why}\n`, exited(code)]);
  });
});

describe("a program that is killed", () => {
  it("ends with everything it started, in any session, but only when it is killed", async () => {
    const neighbour = await client.exec(request(["sleep", "1000"]));
    const started = await client.exec(
      request(sh("setsid sh -c 'sleep 1000 & echo $!; sleep 1000' & sleep 1000 & echo $!; wait")),
    );
    if (started.streams.kind !== "pipes") throw new Error("not on pipes");
    const { stdout } = started.streams;
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    const pids = [await lines.next(), await lines.next()].map(({ value }) => Number(value));
    const identities = await Promise.all(pids.map((pid) => identifyProcess(pid)));
    await started.kill("SIGKILL");
    expect(await started.exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
    for (const identity of identities) {
      if (identity === undefined) throw new Error("it ended by itself");
      await waitForEnd(identity, { timeout: DEADLINE });
    }
    expect(await Promise.race([neighbour.exit, Promise.resolve("under way")])).toBe("under way");
    await neighbour.kill("SIGRTMIN+3");
    expect(await neighbour.exit).toEqual({ kind: "signaled", signal: "SIGRTMIN+3" });
  });
});
