import { closeSync, openSync } from "node:fs";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { spawnDetached } from "../../src/driver/spawn-detached.ts";
import { isAlive, ProcessIdentitySchema, signalProcess, waitForEnd } from "../../src/system/process-identity.ts";
import { spawn } from "../../src/system/spawn.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-spawn-detached-"));
});
afterEach(() => rm(folder, { recursive: true }));

const script = (text: string) => ["sh", "-c", text, "sh", join(folder, "ran")];

it("runs the program once it may begin, and tells its exit code or signal", async () => {
  const exits = spawnDetached(script('echo "$PWD $(id -u)" >"$1"; exit 7'));
  expect(await isAlive(exits.identity)).toBe(true);
  await expect(access(join(folder, "ran"))).rejects.toThrow("ENOENT");
  exits.begin();
  expect(await exits.exit).toEqual({ kind: "exited", code: 7 });
  expect(await readFile(join(folder, "ran"), "utf8")).toBe(`/ ${process.geteuid?.()}\n`);
  const killed = spawnDetached(["sh", "-c", "kill -TERM $$"]);
  killed.begin();
  expect(await killed.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
  const missing = spawnDetached(["/no/such/program"]);
  missing.begin();
  expect(await missing.exit).toEqual({ kind: "exited", code: 127 });
});

it("gives the program its environment, its folder and its descriptors, and a session of its own", async () => {
  const out = openSync(join(folder, "out"), "w");
  const program = spawnDetached(["sh", "-c", 'echo "$A" "$HOME" "$PWD"; cat; cut -d" " -f1,6 /proc/self/stat'], {
    env: { PATH: process.env["PATH"] ?? "", A: "1" },
    cwd: folder,
    descriptors: [out, "ignore"],
  });
  closeSync(out);
  program.begin();
  await program.exit;
  const [said, session = ""] = (await readFile(join(folder, "out"), "utf8")).split("\n");
  expect(said).toBe(`1  ${folder}`);
  expect(Number(session.split(" ")[1])).toBe(program.identity.pid);
});

it("never runs a program that is disposed before it may begin", async () => {
  const program = spawnDetached(script(': >"$1"'));
  program[Symbol.dispose]();
  expect(await program.exit).toMatchObject({ kind: "exited", code: 1 });
  await expect(access(join(folder, "ran"))).rejects.toThrow("ENOENT");
});

it.each([
  ["never runs the program of a process that dies before it may begin", false],
  ["leaves the program of a process that dies afterwards alone", true],
])("%s", async (_, begins) => {
  const module = fileURLToPath(new URL("../../src/driver/spawn-detached.ts", import.meta.url));
  const text = `
    const { writeFileSync } = await import("node:fs");
    const { spawnDetached } = await import(${JSON.stringify(module)});
    const program = spawnDetached(["sleep", "1000"]);
    ${begins ? "program.begin();" : ""}
    writeFileSync("identity", JSON.stringify(program.identity));
    setImmediate(() => process.kill(process.pid, "SIGKILL"));`;
  const tsx = fileURLToPath(import.meta.resolve("tsx"));
  const argv = [process.execPath, "--import", tsx, "--conditions=@pileus/source", "--input-type=module", "-e", text];
  await expect(spawn(argv, { cwd: folder })).rejects.toMatchObject({ signal: "SIGKILL" });
  const identity = ProcessIdentitySchema.parse(JSON.parse(await readFile(join(folder, "identity"), "utf8")));
  if (begins) {
    expect(await isAlive(identity)).toBe(true);
    await signalProcess(identity, "SIGKILL");
  }
  await waitForEnd(identity);
});
