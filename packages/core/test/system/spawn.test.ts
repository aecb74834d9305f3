import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { CommandError, HostError } from "../../src/contract/errors.ts";
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

  it("rejects with what it said last when it fails", async () => {
    const argv = ["sh", "-c", "echo broken >&2; exit 3"];
    const error = await failure(spawn(argv, how));
    expect(error).toBeInstanceOf(CommandError);
    expect(error).toMatchObject({ exitCode: 3, stderr: "broken\n", argv });
  });

  it("is ended by an abort, which rejects with its own reason", async () => {
    const controller = new AbortController();
    const run = spawn(["sleep", "1000"], { ...how, signal: controller.signal });
    controller.abort("enough");
    expect(await failure(run)).toBe("enough");
  });

  it("gets nothing of this process's environment", async () => {
    process.env["PILEUS_SECRET"] = "x";
    try {
      expect((await spawn(["env"], how)).stdout).not.toContain("SECRET");
    } finally {
      delete process.env["PILEUS_SECRET"];
    }
  });
});

it("ends by an abort whatever was started by what is to die with this process, within seconds", async () => {
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

it("does not run what is to die with this process once another is its parent", async () => {
  const argv = dyingWithUs(["echo", "running"]);
  expect((await spawn(["sh", "-c", '"$@"; echo $?', "sh", ...argv])).stdout).toBe("1\n");
  expect((await spawn(argv)).stdout).toBe("running\n");
});

it("keeps a tool to the longest file that it may write", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-spawn-"));
  try {
    const error = await failure(spawn(["cp", "/bin/sh", folder], { bounds: { file: 1000 } }));
    expect(error).toBeInstanceOf(CommandError);
    expect(statSync(join(folder, "sh")).size).toBe(1000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("refuses with the reason, and not by the death of this process, where descriptors run out", async () => {
  const script = fileURLToPath(new URL("without-descriptors.ts", import.meta.url));
  const argv = ["prlimit", "--nofile=64", process.execPath, "--import", "tsx", "--conditions=@pileus/source", script];
  // tsx would hold descriptors while it fills its cache.
  const env = { ...TOOL_ENV, TSX_DISABLE_CACHE: "1" };
  const { stdout } = await spawn(argv, { cwd: import.meta.dirname, env });
  expect(JSON.parse(stdout)).toEqual(
    ["spawn", "spawn with input", "startTool", "openUserNamespace"].map((way) => [way, ["descriptors"]]),
  );
});

it("kills a tool that prints without end", async () => {
  await expect(spawn(["cat", "/dev/zero"])).rejects.toMatchObject({ code: "ERR_COMMAND" });
});

it("gives a tool its input, though it ends without having read it", async () => {
  expect((await spawn(["cat"], { stdin: "füttern" })).stdout).toBe("füttern");
  await spawn(["true"], { stdin: "x".repeat(1_000_000) });
});
