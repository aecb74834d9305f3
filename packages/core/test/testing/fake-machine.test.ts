import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeMachine } from "../../src/testing/fake/machine.ts";
import { FakeOutput } from "../../src/testing/fake/output.ts";
import { PROGRAMS } from "../../src/testing/fake/programs.ts";
import { pipes } from "../../src/testing/fake/stdio.ts";
import { FakeTerminal } from "../../src/testing/fake/terminal.ts";
import { FakeTree } from "../../src/testing/fake/tree.ts";
import { findUser } from "../../src/testing/fake/users.ts";

let machine: FakeMachine;
let folder: string;
afterEach(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-fake-"));
  const output = new FakeOutput(folder, "system-container");
  const tree = new FakeTree();
  tree.makeFolders("/tmp");
  tree.makeFolders("/etc");
  tree.write("/etc/passwd", Buffer.from("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"));
  tree.write("/etc/group", Buffer.from("root:x:0:\nshared:x:2000:app\n"));
  machine = new FakeMachine(tree, PROGRAMS, { obeys: true, output, limits: {} });
});

async function run(...argv: string[]) {
  const { stdio, host } = pipes(machine.gate);
  const facts = { env: { PATH: "/bin", A: "1" }, cwd: "/tmp", user: findUser(machine.tree) };
  const process = machine.start({ argv, ...facts, stdio });
  host.stdin.end("from stdin\n");
  const [stdout, stderr, exit] = await Promise.all([text(host.stdout), text(host.stderr), process.exit]);
  return { stdout, stderr, exit: exit.kind === "exited" ? exit.code : exit.signal };
}
const script = (line: string, ...args: string[]) => run("sh", "-c", line, "sh", ...args);

describe("the shell of a fake instance", () => {
  it("quotes as a shell does", async () => {
    const { stdout } = await script(`printf '[%s]' a" b"'c $A' "$A" "" $NONE \\$A "it's"`);
    expect(stdout).toBe("[a bc $A][1][][$A][it's]");
  });
  it("passes arguments on unchanged", async () => {
    expect((await script(`printf '[%s]' "$@"`, "a b", "", "ü\n")).stdout).toBe("[a b][][ü\n]");
  });
  it("keeps the two streams apart, and redirects one to the other when asked", async () => {
    expect(await script("echo out; echo err >&2")).toEqual({ stdout: "out\n", stderr: "err\n", exit: 0 });
    expect(await script("echo out; echo err >&2 2>/dev/null; nothing 2>/dev/null")).toMatchObject({ exit: 127 });
  });
  it("obeys && and ||", async () => {
    expect((await script("false && echo a || echo b; true && echo c || echo d")).stdout).toBe("b\nc\n");
  });
  it("writes, appends to and reads files", async () => {
    expect(await script("echo one >f; echo two >>f; cat <f")).toEqual({ stdout: "one\ntwo\n", stderr: "", exit: 0 });
  });
  it("ends by the signal that it sends to itself", async () => {
    expect((await script("kill -TERM $$; echo never")).exit).toBe("SIGTERM");
    expect((await script("exit 143")).exit).toBe(143);
  });
  it("ends its children when their group is ended", async () => {
    const { stdout } = await script("sleep 1000 & echo $!; kill -0 $! && echo there; kill -9 $!; wait; kill -0 $!");
    expect(stdout).toMatch(/^\d+\nthere\n$/);
    expect(machine.processes).toBe(1);
  });
  it("reads one line and leaves the rest", async () => {
    expect((await script("read line; echo got $line")).stdout).toBe("got from stdin\n");
  });
  it("replaces itself by another program with exec", async () => {
    expect((await script("exec sh -c 'exit 9'; echo never")).exit).toBe(9);
  });
  it("refuses what it does not know instead of guessing", async () => {
    const { stderr, exit } = await script("echo $(date)");
    expect(stderr).toContain("does not know $(");
    expect(exit).toBe(2);
  });
});

describe("the programs of a fake instance", () => {
  it("exit with 127 when missing and with 126 when they cannot be run", async () => {
    expect(await run("nothing")).toMatchObject({ exit: 127, stderr: "exec: cannot run nothing: not found\n" });
    expect(await run("/etc/passwd")).toMatchObject({ exit: 126 });
    expect(await run("/etc")).toMatchObject({ exit: 126 });
  });
  it("end silently when they are killed and their output is not read", async () => {
    const { stdio, host } = pipes(machine.gate);
    const process = machine.start({ argv: ["yes"], env: {}, cwd: "/", user: findUser(machine.tree), stdio });
    await new Promise((resolve) => host.stdout.once("readable", resolve));
    machine.kill(process.pid, "SIGKILL");
    expect(await process.exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
    expect(host.stdout.readableLength).toBeLessThan(1024 * 1024);
  });
  it("know a user's groups", () => {
    expect(findUser(machine.tree, "app")).toMatchObject({ uid: 1000, gid: 1000, groups: [1000, 2000] });
    expect(findUser(machine.tree, "7:8")).toMatchObject({ uid: 7, gid: 8, groups: [8] });
    expect(() => findUser(machine.tree, "nobody")).toThrow('no user "nobody"');
  });
});

it("a fake terminal echoes, turns newlines and sends signals", async () => {
  const terminal = new FakeTerminal({ columns: 80, rows: 24 }, machine.gate, (signal) =>
    machine.kill(-process.group, signal),
  );
  const facts = { env: {}, cwd: "/", user: findUser(machine.tree), stdio: terminal.stdio, terminal };
  const process = machine.start({ argv: ["cat"], ...facts });
  terminal.stream.write("hello\r");
  const seen: string[] = [];
  for await (const chunk of terminal.stream) {
    seen.push(String(chunk));
    if (seen.join("") === "hello\r\nhello\r\n") terminal.stream.write("\x03");
  }
  expect(seen.join("")).toBe("hello\r\nhello\r\n^C");
  expect(await process.exit).toEqual({ kind: "signaled", signal: "SIGINT" });
});
