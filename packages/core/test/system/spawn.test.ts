import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { CommandError, HostError } from "../../src/errors/all.ts";
import { dyingWithUs, spawn } from "../../src/system/spawn.ts";
import { TOOL_ENV } from "../../src/system/tool-env.ts";

const failure = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);

const HOW = [{}, { diesWithUs: true }, { bounds: { cpu: 9 } }, { diesWithUs: true, bounds: { memory: 2 ** 30 } }];

describe.each(HOW)("a tool run with %j", (how) => {
  it("rejects with HostError and the package to install when it is missing", async () => {
    const error = await failure(spawn(["pileus-no-such-tool"], { ...how, fromPackage: "some-package" }));
    expect(error).toBeInstanceOf(HostError);
    expect(error instanceof HostError && error.missing).toEqual([
      { need: "binary:pileus-no-such-tool", reason: "not on PATH", fix: "apt-get install some-package" },
    ]);
  });

  it("rejects with its last output when it fails", async () => {
    const argv = ["sh", "-c", "echo broken >&2; exit 3"];
    const error = await failure(spawn(argv, how));
    expect(error).toBeInstanceOf(CommandError);
    expect(error).toMatchObject({ exitCode: 3, stderr: "broken\n", argv });
  });

  it("is ended by an abort, and rejects with the reason", async () => {
    const controller = new AbortController();
    const run = spawn(["sleep", "1000"], { ...how, signal: controller.signal });
    controller.abort("enough");
    expect(await failure(run)).toBe("enough");
  });

  it("does not inherit the environment of this process", async () => {
    process.env["PILEUS_SECRET"] = "x";
    try {
      expect((await spawn(["env"], how)).stdout).not.toContain("SECRET");
    } finally {
      delete process.env["PILEUS_SECRET"];
    }
  });
});

it("ends on abort, within seconds, all descendants of a tool that is to die with this process", async () => {
  const controller = new AbortController();
  const stubborn = ["sh", "-c", "trap '' TERM; (trap '' TERM; sleep 600) & kill -USR1 \"$1\"; sleep 600", "sh"];
  const ready = new Promise<void>((resolve) => process.once("SIGUSR1", () => resolve()));
  const ended = spawn([...stubborn, String(process.pid)], { diesWithUs: true, signal: controller.signal });
  await ready;
  const begin = performance.now();
  controller.abort("enough");
  await expect(ended).rejects.toBe("enough");
  expect(performance.now() - begin).toBeLessThan(2000);
});

it("rejects at an abort although what the tool has started holds its output open", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-spawn-"));
  try {
    const controller = new AbortController();
    const script = 'sleep 1000 & echo $! >"$1/pid"; kill -USR1 "$2"; exec sleep 1000';
    const ready = new Promise<void>((resolve) => process.once("SIGUSR1", () => resolve()));
    const argv = ["sh", "-c", script, "sh", folder, String(process.pid)];
    const ended = expect(spawn(argv, { signal: controller.signal })).rejects.toBe("enough");
    await ready;
    controller.abort("enough");
    await ended;
    process.kill(Number(readFileSync(join(folder, "pid"), "utf8")), "SIGKILL");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("does not run a tool that is to die with this process once its parent is another one", async () => {
  const argv = dyingWithUs(["echo", "running"]);
  expect((await spawn(["sh", "-c", '"$@"; echo $?', "sh", ...argv])).stdout).toBe("1\n");
  expect((await spawn(argv)).stdout).toBe("running\n");
});

it("limits the size of the files that a tool writes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-spawn-"));
  try {
    const error = await failure(spawn(["cp", "/bin/sh", folder], { bounds: { file: 1000 } }));
    expect(error).toBeInstanceOf(CommandError);
    expect(statSync(join(folder, "sh")).size).toBe(1000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("rejects with the reason instead of ending this process when descriptors run out", async () => {
  const script = fileURLToPath(new URL("without-descriptors.ts", import.meta.url));
  const argv = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", script];
  // tsx would hold descriptors while it fills its cache.
  const env = { ...TOOL_ENV, TSX_DISABLE_CACHE: "1" };
  const { stdout } = await spawn(argv, { cwd: import.meta.dirname, env });
  expect(JSON.parse(stdout)).toEqual(["spawn", "spawn with input", "startTool"].map((way) => [way, ["descriptors"]]));
});

it("kills a tool whose output does not end", async () => {
  await expect(spawn(["cat", "/dev/zero"])).rejects.toMatchObject({ code: "ERR_COMMAND" });
});

it("gives input to a tool that ends without reading it", async () => {
  expect((await spawn(["cat"], { stdin: "füttern" })).stdout).toBe("füttern");
  await spawn(["true"], { stdin: "x".repeat(1_000_000) });
});
