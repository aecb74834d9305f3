import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { type BackendProcess, identifyProcess, type ProcessIdentity, waitForEnd } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { UNCONFINED } from "../../src/confinement.ts";
import { execInside } from "../../src/exec/exec.ts";
import { ExecHelpers, type HelperTarget } from "../../src/exec/helper.ts";

// On the host itself, because the helper works anywhere.
const TARGET = { name: "here", argv: ["/proc/self/fd/4"], env: {}, confinement: UNCONFINED, stayTime: () => 60_000 };
const NEEDS = ["root"] as const;
const END = { timeout: 20_000 };

function helpersFor(target: Partial<HelperTarget> = {}): ExecHelpers {
  return new ExecHelpers({ ...TARGET, ...target });
}

async function exec(helpers: ExecHelpers, script: string): Promise<BackendProcess> {
  const user = { uid: 0, gid: 0, groups: [] };
  const request = { argv: ["sh", "-c", script], env: { PATH: "/usr/bin:/bin" }, cwd: "/", ...user, tty: undefined };
  return execInside(helpers, { name: "here", idmap: undefined }, "pipes", Promise.resolve(request), {});
}

async function outputOf({ streams }: BackendProcess): Promise<string> {
  if (streams.kind !== "pipes") throw new Error("asked for pipes");
  return text(streams.stdout);
}

/** Prints the pid of the helper that stays: the parent of the program's parent. */
const HELPER = "cut -d' ' -f4 /proc/$PPID/stat";

async function helperOf(helpers: ExecHelpers): Promise<ProcessIdentity> {
  const program = await exec(helpers, HELPER);
  const identity = await identifyProcess(Number(await outputOf(program)));
  if (identity === undefined) throw new Error("the helper has ended");
  await program.exit;
  return identity;
}

/** The processes whose parent this is, in the form of ps(1): "pid state". */
function childrenOf({ pid }: ProcessIdentity): readonly string[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean);
  return pids.map((child) => readFileSync(`/proc/${child}/stat`, "latin1").replace(/^(\d+) \(.*\) (.).*$/s, "$1 $2"));
}

describe("the helper that stays", () => {
  it(
    "serves the next programs, also a hundred at once",
    requires(NEEDS, async () => {
      using helpers = helpersFor();
      const first = await helperOf(helpers);
      const echo = async (word: number) => outputOf(await exec(helpers, `${HELPER}; echo ${word}`));
      const words = Array.from({ length: 100 }, (_, index) => index);
      expect(await Promise.all(words.map(echo))).toEqual(words.map((word) => `${first.pid}\n${word}\n`));
    }),
  );
  it(
    "ends once it has had no program for its time, and at once with its owner",
    requires(NEEDS, async () => {
      let stays = 60_000;
      using idle = helpersFor({ stayTime: () => stays });
      const brief = await helperOf(idle);
      stays = 10;
      expect(await outputOf(await exec(idle, "echo last"))).toBe("last\n");
      await waitForEnd(brief, END);
      const helpers = helpersFor();
      const helper = await helperOf(helpers);
      helpers[Symbol.dispose]();
      await waitForEnd(helper, END);
    }),
  );
  it(
    "does not end before its last program",
    requires(NEEDS, async () => {
      const helpers = helpersFor();
      const helper = await helperOf(helpers);
      const last = await exec(helpers, "read -r word; echo $word");
      if (last.streams.kind !== "pipes") throw new Error("asked for pipes");
      helpers[Symbol.dispose]();
      last.streams.stdin.end("the end\n");
      expect(await outputOf(last)).toBe("the end\n");
      expect(await last.exit).toEqual({ kind: "exited", code: 0 });
      last.release?.();
      await waitForEnd(helper, END);
    }),
  );
  it(
    "is replaced when somebody kills it, and its programs go on",
    requires(NEEDS, async () => {
      using helpers = helpersFor();
      const helper = await helperOf(helpers);
      const running = await exec(helpers, "read -r word; echo $word; exit 7");
      if (running.streams.kind !== "pipes") throw new Error("asked for pipes");
      process.kill(helper.pid, "SIGKILL");
      // At once, so that the connection can reach the dead helper.
      const next = await helperOf(helpers);
      expect(next.pid).not.toBe(helper.pid);
      running.streams.stdin.end("still here\n");
      expect(await outputOf(running)).toBe("still here\n");
      expect(await running.exit).toEqual({ kind: "exited", code: 7 });
    }),
  );
  it(
    "reaps what programs leave behind",
    requires(NEEDS, async () => {
      using helpers = helpersFor();
      const helper = await helperOf(helpers);
      const program = await exec(helpers, "(sleep 0.1; echo over) & echo $!");
      if (program.streams.kind !== "pipes") throw new Error("asked for pipes");
      await program.exit;
      program.release?.();
      // It closes the pipe at its end.
      const left = Number((await outputOf(program)).split("\n")[0]);
      await expect.poll(() => readIfThere(`/proc/${left}/stat`), END).toBe(undefined);
      await expect.poll(() => childrenOf(helper), END).toEqual([]);
    }),
  );
  it(
    "ends a terminal also when everything happened before this process looked",
    requires(NEEDS, async () => {
      using helpers = helpersFor();
      await helperOf(helpers);
      const user = { uid: 0, gid: 0, groups: [] };
      const request = {
        argv: ["true"],
        env: { PATH: "/usr/bin:/bin" },
        cwd: "/",
        ...user,
        tty: { columns: 80, rows: 24 },
      };
      const starting = execInside(helpers, { name: "here", idmap: undefined }, "tty", Promise.resolve(request), {});
      // It is on its way, and this process does nothing until it must be over.
      await new Promise(setImmediate);
      execFileSync("sleep", ["0.3"]);
      const { streams, exit } = await starting;
      if (streams.kind !== "tty") throw new Error("asked for a terminal");
      expect(await text(streams.tty)).toBe("");
      expect(await exit).toEqual({ kind: "exited", code: 0 });
    }),
  );
  it(
    "gets nobody in any more once its owner has let the container go",
    requires(NEEDS, async () => {
      const helpers = helpersFor();
      const helper = await helperOf(helpers);
      process.kill(helper.pid, "SIGSTOP");
      const waiting = exec(helpers, "echo here");
      const closed = { code: "ERR_CONNECTION", message: expect.stringContaining("this host was closed") };
      const refused = expect(waiting).rejects.toMatchObject(closed);
      // By then, the stopped one has the connection.
      await new Promise(setImmediate);
      helpers[Symbol.dispose]();
      await refused;
      await expect(exec(helpers, "echo here")).rejects.toMatchObject(closed);
      process.kill(helper.pid, "SIGKILL");
      await waitForEnd(helper, END);
    }),
  );
  it(
    "does not start anything that it cannot confine",
    requires(NEEDS, async () => {
      // One instruction that no filter can have.
      const confinement = Buffer.concat([UNCONFINED, Buffer.alloc(8, 0xff)]);
      confinement.writeUInt32LE(1, 8);
      using helpers = helpersFor({ confinement });
      await expect(exec(helpers, "echo here")).rejects.toMatchObject({
        code: "ERR_CONNECTION",
        message: expect.stringContaining("it cannot be confined: error 22"),
      });
    }),
  );
  it(
    "shows one short name in a list of processes",
    requires(NEEDS, async () => {
      using helpers = helpersFor();
      const { pid } = await helperOf(helpers);
      const seen = ["comm", "cmdline"].map((file) => readFileSync(`/proc/${pid}/${file}`, "latin1"));
      expect(seen.map((name) => name.replaceAll("\0", "").trim())).toEqual(["pileus-exec", "pileus-exec"]);
    }),
  );
});

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
