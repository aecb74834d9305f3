import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../../src/system/child.ts";
import { spawn } from "../../src/system/spawn.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-child-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const shell = (text: string, ...args: string[]) => ["sh", "-c", text, "sh", ...args];
const out = () => openSync(join(folder, "out"), "w");
const said = () => readFileSync(join(folder, "out"), "utf8");

/** The program that tells this process when its children end. */
function watcherPid(): number {
  const argv = `pileus-watch\0${process.pid}\0`;
  const isOurs = (pid: string) => readIfThere(`/proc/${pid}/cmdline`) === argv;
  return Number(readdirSync("/proc").find((pid) => /^\d+$/.test(pid) && isOurs(pid)));
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

describe("a child", () => {
  it("tells the code or the signal of its end, also of many at once", async () => {
    const codes = Array.from({ length: 60 }, (_, index) => index);
    const exits = await Promise.all(codes.map((code) => startChild(shell(`exit ${code}`)).exit));
    expect(exits).toEqual(codes.map((code) => ({ kind: "exited", code })));
    const killed = startChild(["sleep", "1000"]);
    expect([killed.hasEnded, killed.kill("SIGTERM")]).toEqual([false, true]);
    expect(await killed.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
    expect([killed.hasEnded, killed.kill("SIGTERM")]).toEqual([true, false]);
  });

  it("is not started when its file is missing or cannot be executed, or its arguments are not whole", () => {
    expect(() => startChild(["pileus-no-such-tool"])).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(() => startChild(["/etc/passwd"])).toThrow(expect.objectContaining({ code: "EACCES" }));
    expect(() => startChild(["true"], { cwd: "/no/such/folder" })).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(() => startChild(["echo", "a\0b"])).toThrow(/NUL in "a\\u0000b"/);
    expect(() => startChild(["env"], { env: { A: "1\0B=2" } })).toThrow(/NUL/);
  });

  it("gets its environment, its folder, and the descriptors that it is given, in any order and no others", async () => {
    const names = ["a", "b", "c"].map((name) => join(folder, name));
    // Their numbers are lower than some of their places.
    const [a = 0, b = 0, c = 0] = names.map((name) => openSync(name, "w"));
    const places = Array.from({ length: Math.max(a, b, c) + 4 }, () => "ignore" as "ignore" | number);
    const [first, second, third] = [places.length - 3, places.length - 2, places.length - 1];
    for (const [place, fd] of [
      [first, c],
      [second, a],
      [third, b],
    ] as const)
      places[place] = fd;
    const text = `echo "$A $HOME $PWD" >&${first}; echo two >&${second}; exec ls /proc/self/fd >&${third}`;
    const child = startChild(["bash", "-c", text], {
      env: { A: "1", PATH: "/usr/bin:/bin" },
      cwd: folder,
      descriptors: places,
    });
    for (const fd of [a, b, c]) closeSync(fd);
    expect(await child.exit).toEqual({ kind: "exited", code: 0 });
    const [one, two, three = ""] = ["c", "a", "b"].map((name) => readFileSync(join(folder, name), "utf8"));
    expect([one, two]).toEqual([`1  ${folder}\n`, "two\n"]);
    const open = three.split("\n").filter(Boolean).map(Number);
    // ls opens one itself. What started this process may have left some open for good.
    const lasting = new Set(await spawn(["ls", "/proc/self/fd"]).then(({ stdout }) => stdout.split("\n").map(Number)));
    const isMore = (fd: number) => fd >= places.length && !lasting.has(fd);
    expect([...places.keys()].filter((place) => !open.includes(place))).toEqual([]);
    expect(open.filter(isMore)).toEqual([places.length]);
  });

  it("begins with no signal ignored or blocked, and leads a session of its own when that is asked for", async () => {
    const fd = out();
    const facts = shell('grep -E "SigIgn|SigBlk" /proc/self/status; cut -d" " -f1,6 /proc/$$/stat');
    await startChild(facts, { descriptors: ["ignore", fd], session: true }).exit;
    closeSync(fd);
    const [blocked, ignored, ids = ""] = said().split("\n");
    expect([blocked, ignored]).toEqual(["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]);
    const [pid, session] = ids.split(" ");
    expect(session).toBe(pid);
  });

  it("keeps its process alive until its end, unless it was let go", async () => {
    const source = fileURLToPath(new URL("../../src/system/child.ts", import.meta.url));
    const text = `
      const { startChild } = await import(${JSON.stringify(source)});
      const { pipe } = await import(${JSON.stringify(fileURLToPath(new URL("../../src/system/descriptor.ts", import.meta.url)))});
      // It ends with this process, which has the other end of its input.
      startChild(["cat"], { descriptors: [pipe().read, "ignore"] }).unref();
      void startChild(["sh", "-c", "read -r line"], { descriptors: [0] }).exit.then(({ code }) => console.log("ended with " + code));`;
    const tsx = fileURLToPath(import.meta.resolve("tsx"));
    const argv = [process.execPath, "--import", tsx, "--conditions=@pileus/source", "--input-type=module", "-e", text];
    expect((await spawn(argv, { stdin: "go\n" })).stdout).toBe("ended with 0\n");
  });

  it("tells its end in a worker thread", async () => {
    const source = fileURLToPath(new URL("../../src/system/child.ts", import.meta.url));
    const inside = `import("tsx/esm/api").then(async ({ register }) => {
      register();
      const { startChild } = await import(${JSON.stringify(source)});
      require("node:worker_threads").parentPort.postMessage(await startChild(["sh", "-c", "exit 7"]).exit);
    })`;
    const text = `
      const { Worker } = require("node:worker_threads");
      new Worker(${JSON.stringify(inside)}, { eval: true }).on("message", (exit) => console.log(JSON.stringify(exit)));`;
    const tsx = fileURLToPath(import.meta.resolve("tsx"));
    const argv = [process.execPath, "--import", tsx, "--conditions=@pileus/source", "-e", text];
    expect(JSON.parse((await spawn(argv, { cwd: import.meta.dirname })).stdout)).toEqual({ kind: "exited", code: 7 });
  });

  it("tells its end although somebody kills the program that watches it", async () => {
    const children = [startChild(["sleep", "1000"]), startChild(shell("exec sleep 1000"))];
    await startChild(["true"]).exit;
    const first = watcherPid();
    process.kill(first, "SIGKILL");
    for (const child of children) child.kill("SIGKILL");
    for (const { exit } of children) expect(await exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
    expect(await startChild(shell("exit 3")).exit).toEqual({ kind: "exited", code: 3 });
    expect(watcherPid()).not.toBe(first);
  });

  it("tells its end where no program can watch it", async () => {
    const source = fileURLToPath(new URL("../../src/system/child.ts", import.meta.url));
    const text = `
      const { startChild } = await import(${JSON.stringify(source)});
      const { pipe } = await import(${JSON.stringify(fileURLToPath(new URL("../../src/system/descriptor.ts", import.meta.url)))});
      const { closeSync, readdirSync, readFileSync } = await import("node:fs");
      const { read, write } = pipe();
      const first = startChild(["cat"], { descriptors: [read, "ignore"] });
      const isOurs = (pid) => {
        try {
          return readFileSync("/proc/" + pid + "/cmdline", "latin1") === "pileus-watch\\0" + process.pid + "\\0";
        } catch {
          return false;
        }
      };
      const watchers = () => readdirSync("/proc").filter((pid) => /^[0-9]+$/.test(pid) && isOurs(pid));
      const [watcher] = watchers();
      process.kill(Number(watcher), "SIGKILL");
      closeSync(write);
      const ends = [await first.exit, await startChild(["sh", "-c", "exit 5"]).exit];
      console.log(JSON.stringify({ ends, watchers: watchers() }));`;
    const tsx = fileURLToPath(import.meta.resolve("tsx"));
    const argv = [process.execPath, "--import", tsx, "--conditions=@pileus/source", "--input-type=module", "-e", text];
    const ends = [0, 5].map((code) => ({ kind: "exited", code }));
    expect(JSON.parse((await spawn(argv)).stdout)).toEqual({ ends, watchers: [] });
  });
});
