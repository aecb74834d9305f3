import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { requires } from "../../src/testing/requires.ts";

/** asm/unistd.h. */
const CALLS = { x64: { add: 248, request: 249, keyctl: 250 }, arm64: { add: 217, request: 218, keyctl: 219 } };

// session-keyring(7): a program that has the session keyring of the application may read its keys.
it(
  "a tool that lives on or reads untrusted input has no key of its caller",
  requires(["root", "binary:perl", "binary:prlimit", "binary:setpriv"], async () => {
    const { add, request, keyctl } = CALLS[process.arch as keyof typeof CALLS];
    const folder = await mkdtemp(join(tmpdir(), "pileus-keys-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const ask = `my ($type, $name) = ("user", "pileus-test"); print syscall(${request}, $type, $name, 0, 0) > 0 ? "found" : "none"`;
    // A confined tool has no /dev/null, which perl needs for a script among its arguments.
    await writeFile(join(folder, "ask.pl"), ask);
    const path = (file: string) => JSON.stringify(new URL(`../../src/system/${file}`, import.meta.url).href);
    const script = `const { spawn } = await import(${path("spawn.ts")});
      const { startTool } = await import(${path("stream-tool.ts")});
      const { text } = await import("node:stream/consumers");
      const folder = ${JSON.stringify(folder)};
      const argv = ["perl", "./ask.pl"];
      const all = [{}, { diesWithUs: true }, { apart: true }, { apart: true, diesWithUs: true },
        { bounds: { cpu: 9 } }, { confinedTo: folder }, { confinedTo: folder, diesWithUs: true, bounds: { cpu: 9 } }];
      const said = [];
      for (const options of all) said.push((await spawn(argv, { cwd: folder, ...options })).stdout);
      const tool = startTool(argv, { confinedTo: folder, signal: new AbortController().signal });
      said.push(await text(tool.stdout));
      console.log(JSON.stringify(said));`;
    const keep = `my ($type, $name, $secret) = ("user", "pileus-test", "x"); syscall(${keyctl}, 1, 0);
      syscall(${add}, $type, $name, $secret, 1, -3) > 0 or die $!; exec @ARGV`;
    const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)("perl", ["-e", keep, ...node]);
    expect(JSON.parse(stdout)).toEqual(["found", "found", "none", "none", "none", "none", "none", "none"]);
  }),
);

it(
  "a tool whose user has no room for a key says so, and is not taken for one that is missing",
  requires(["root", "binary:setpriv"], async () => {
    const { add, keyctl } = CALLS[process.arch as keyof typeof CALLS];
    const path = (file: string) => JSON.stringify(new URL(`../../src/system/${file}`, import.meta.url).href);
    // It is another user only when everything is loaded, which that user may not be able to read. keyrings(7): the keys
    // that a user may have, of which these end with their session.
    const script = `const { spawn } = await import(${path("spawn.ts")});
      const { ffi } = await import(${path("ffi.ts")});
      const call = ffi().load("libc.so.6").func("long syscall(long, ...)");
      process.setgroups([]);
      process.setgid(64321);
      process.setuid(64321);
      call(${keyctl}, "long", 1, "long", 0);
      let number = 0;
      const add = () => call(${add}, "str", "user", "str", "pileus-test-" + number++, "str", "x", "long", 1, "long", -3);
      while (add() > 0);
      console.log(await spawn(["true"], { apart: true, diesWithUs: true }).then(String, (error) => error.code + " " + error.stderr))`;
    const node = ["--import", "tsx", "--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)(process.execPath, node);
    expect(stdout).toMatch(/^ERR_COMMAND launch: cannot make a session keyring .* for \S+: EDQUOT/);
  }),
);
