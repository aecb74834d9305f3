import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn as run } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { UNCONFINED } from "../src/confinement.ts";
import type { ContainerSpec } from "../src/container-spec.ts";
import { initHelperFile } from "../src/init-helper.ts";

const NEEDS = ["root", "binary:unshare", "binary:bash"] as const;

/** A command before another, which gets the three streams as the descriptors that a keeper hands over: bash(1). */
const HANDED_OVER = ["bash", "-c", 'exec 19<&0 20>&1 21>&2; exec "$@"', "bash"] as const;

interface Inside {
  readonly tool: ChildProcess;
  /** The pid of the namespace's PID 1 in this namespace. */
  init(): Promise<number>;
  /** Resolves when the output so far contains the text. */
  until(expected: string): Promise<string>;
  readonly exit: Promise<unknown>;
}

type Init = ContainerSpec["init"];

/** The helper with what it is to become. */
const helperFile = (init: Omit<Init, "haltSignal">) =>
  initHelperFile(UNCONFINED, {
    init: { ...init, haltSignal: 15 },
    output: { kind: "pipes", owner: { uid: 0, gid: 0 } },
  });

/** Runs the helper as PID 1 of a pid namespace. It removes itself, as it does in a container. */
async function inside(
  [role, ...argv]: readonly [NonNullable<Init["role"]>, ...string[]],
  use: (inside: Inside) => Promise<void>,
  uid = 0,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-init-"));
  await chmod(folder, 0o755);
  const helper = join(folder, "helper");
  // Nobody listens: then PID 1 goes on without an answer.
  const announce = join(folder, "announce");
  await writeFile(helper, helperFile({ role, argv, uid, gid: uid }), { mode: 0o755 });
  const unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const [file, ...rest] = [...HANDED_OVER, ...unshare, helper, announce];
  const tool = spawn(file, rest, { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  const told = new Set<() => void>();
  tool.stdout.on("data", (bytes: Buffer) => {
    text += bytes;
    for (const look of told) look();
  });
  const exit = once(tool, "exit").then(([code]) => code);
  try {
    const until = (expected: string) =>
      new Promise<string>((resolve) => {
        const look = () => text.includes(expected) && resolve(text);
        told.add(look);
        look();
      });
    await use({ tool, init: () => childOf(tool.pid ?? 0, helper), until, exit });
  } finally {
    tool.kill("SIGKILL");
    await rm(folder, { recursive: true });
  }
}

async function childOf(pid: number, helper: string): Promise<number> {
  for (const deadline = Date.now() + 5000; ; ) {
    const child = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
    const isHelper =
      child !== "" && (await readFile(`/proc/${child}/cmdline`, "utf8").catch(() => "")).startsWith(helper);
    // The kernel drops signals that arrive before it has blocked them.
    if (isHelper && !/SigBlk:\s0{16}/.test(await readFile(`/proc/${child}/status`, "utf8"))) return Number(child);
    if (Date.now() > deadline) throw new Error("there is no PID 1");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("the reaper", () => {
  it.for([0, 7, 255])("ends with the exit code of its program: %i", (code, context) =>
    requires(NEEDS, () =>
      inside(["reaper", "sh", "-c", `read go; exit ${code}`], async ({ tool, exit }) => {
        tool.stdin?.end("go\n");
        expect(await exit).toBe(code);
      }),
    )(context),
  );

  it.for([
    ["TERM", 143],
    ["KILL", 137],
    ["RTMIN+3", 165],
  ] as const)("reports the death of its program by SIG%s as 128 plus the signal", ([signal, code], context) =>
    requires(NEEDS, () =>
      inside(["reaper", "bash", "-c", `read go; kill -${signal} $$`], async ({ tool, exit }) => {
        tool.stdin?.end("go\n");
        expect(await exit).toBe(code);
      }),
    )(context),
  );

  it.for(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT"] as const)(
    "forwards %s to its program only",
    (signal, context) =>
      requires(NEEDS, () => {
        const traps = `sleep 100 & trap 'echo got; kill -0 $! && exit 5' ${signal.slice(3)}; echo up; while :; do wait; done`;
        return inside(["reaper", "sh", "-c", traps], async ({ init, until, exit }) => {
          await until("up");
          process.kill(await init(), signal);
          await until("got");
          expect(await exit).toBe(5);
        });
      })(context),
  );

  it("lets its program die of a signal without a handler, which PID 1 itself would ignore", (context) =>
    requires(NEEDS, () =>
      inside(["reaper", "sh", "-c", "echo up; exec sleep 100"], async ({ init, until, exit }) => {
        await until("up");
        process.kill(await init(), "SIGTERM");
        expect(await exit).toBe(143);
      }),
    )(context));

  it("reaps orphaned processes", (context) =>
    requires(NEEDS, () => {
      const orphans =
        "for i in 1 2 3 4 5; do (sh -c : & ); done; echo up; read go; while grep -qs 'State:.Z' /proc/[0-9]*/status; do :; done; echo none";
      return inside(["reaper", "sh", "-c", orphans], async ({ tool, until, exit }) => {
        await until("up");
        tool.stdin?.end("go\n");
        expect(await exit).toBe(0);
        expect(await until("none")).toBe("up\nnone\n");
      });
    })(context));

  it("leaves no signal of its program blocked, and its own descriptors to its user", (context) =>
    requires(NEEDS, () => {
      const look = "grep SigBlk /proc/self/status; readlink /proc/1/fd/1 >/dev/null && echo mine; read go";
      return inside(
        ["reaper", "sh", "-c", look],
        async ({ until }) => expect(await until("mine")).toMatch(/SigBlk:\s0{16}\nmine/),
        1,
      );
    })(context));

  it.for([
    ["/no/such/program", 127],
    ["/etc/passwd", 126],
  ] as const)("ends like a shell if its program cannot be run: %s", ([program, code], context) =>
    requires(NEEDS, () => inside(["reaper", program], async ({ exit }) => expect(await exit).toBe(code)))(context),
  );
});

describe("the idle init", () => {
  it("ends at SIGTERM at once, and at no other signal", (context) =>
    requires(NEEDS, () =>
      inside(["idle"], async ({ init, exit }) => {
        const pid = await init();
        for (const signal of ["SIGHUP", "SIGUSR1", "SIGINT"] as const) process.kill(pid, signal);
        // Running or asleep: not ended.
        expect(await readFile(`/proc/${pid}/stat`, "latin1")).toMatch(/ [RS] /);
        process.kill(pid, "SIGTERM");
        expect(await exit).toBe(0);
      }),
    )(context));
});

// The folder exists, and can be entered: that the kernel has no path for it from this root is the only sign.
it(
  "starts no program in a folder outside of its root",
  requires(["root", "binary:perl", "binary:bash"], async () => {
    const outside = await mkdtemp(join(tmpdir(), "pileus-init-"));
    try {
      const root = join(outside, "root");
      const start = async (folder: string) => {
        await mkdir(root, { recursive: true });
        await writeFile(join(root, "helper"), helperFile({ argv: ["/no-such-program"], cwd: folder }), { mode: 0o755 });
        const argv = ["/helper", "/announce"];
        const script = "chroot shift @ARGV or die; exec { $ARGV[0] } @ARGV";
        return run([...HANDED_OVER, "perl", "-e", script, root, ...argv], { cwd: outside, allow: [126, 127] });
      };
      expect((await start(".")).stderr).toMatch(/cannot enter the working folder of/);
      expect((await start("/")).stderr).toMatch(/cannot run \/no-such-program: not found/);
    } finally {
      await rm(outside, { recursive: true });
    }
  }),
);
