import { readFile } from "node:fs/promises";
import { buffer, text } from "node:stream/consumers";
import { type BackendProcess, identifyProcess, isAlive, waitForEnd } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { afterAll, describe, expect, it } from "vitest";
import { UNCONFINED } from "../../src/confinement.ts";
import { execInside } from "../../src/exec/exec.ts";
import { ExecHelpers } from "../../src/exec/helper.ts";
import type { HelperRequest } from "../../src/exec/protocol.ts";

// On the host itself, because the helper works anywhere.
const HERE = { name: "here", idmap: undefined };
const TARGET = { name: "here", argv: ["/proc/self/fd/4"], env: {}, confinement: UNCONFINED, stayTime: () => 60_000 };
const helpers = new ExecHelpers(TARGET);
afterAll(() => helpers[Symbol.dispose]());
const REQUEST = {
  env: { PATH: "/usr/bin:/bin" },
  cwd: "/",
  uid: 0,
  gid: 0,
  groups: [],
  tty: undefined,
};
const NEEDS = ["root"] as const;

async function exec(argv: readonly string[], more: Partial<HelperRequest> = {}, signal?: AbortSignal) {
  const request: HelperRequest = { ...REQUEST, argv, ...more };
  return execInside(helpers, HERE, request.tty === undefined ? "pipes" : "tty", Promise.resolve(request), { signal });
}

async function collect(started: BackendProcess, stdin = ""): Promise<{ out: string; err: string; exit: unknown }> {
  if (started.streams.kind !== "pipes") throw new Error("asked for pipes");
  started.streams.stdin.end(stdin);
  const { stdout, stderr } = started.streams;
  const [out, err, exit] = await Promise.all([text(stdout), text(stderr), started.exit]);
  return { out, err, exit };
}

describe("the helper", () => {
  it(
    "starts the program with exactly its argv, environment, folder, user and groups",
    requires(NEEDS, async () => {
      const env = { PATH: "/usr/bin:/bin", A: "b c\nd", E: "" };
      const { out } = await collect(await exec(["env", "-0"], { env }));
      expect(out.split("\0").slice(0, -1).sort()).toEqual(["A=b c\nd", "E=", "PATH=/usr/bin:/bin"]);
      const who = { uid: 1000, gid: 1001, groups: [1001, 7, 4_000_000_000], cwd: "/proc" };
      const { out: told } = await collect(
        await exec(["sh", "-c", 'id -u; id -g; id -G; pwd; printf "<%s>" "$@"', "x", "a b", "", "\n"], who),
      );
      expect(told).toBe("1000\n1001\n1001 7 4000000000\n/proc\n<a b><><\n>");
    }),
  );
  it(
    "distinguishes an exit from an end by a signal",
    requires(NEEDS, async () => {
      expect((await collect(await exec(["sh", "-c", "exit 143"]))).exit).toEqual({ kind: "exited", code: 143 });
      const killed = await exec(["sh", "-c", "kill -TERM $$"]);
      expect((await collect(killed)).exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
    }),
  );
  it(
    "reports 127 or 126 and the reason for a program that cannot start",
    requires(NEEDS, async () => {
      const failure = async (argv: readonly string[], more = {}) => collect(await exec(argv, more));
      expect(await failure(["no-such-program"])).toMatchObject({
        err: "exec: cannot run no-such-program: not found\n",
        exit: { code: 127 },
      });
      expect(await failure([""])).toMatchObject({ exit: { code: 127 } });
      expect(await failure(["/etc/passwd"])).toMatchObject({
        err: "exec: cannot run /etc/passwd: permission denied\n",
        exit: { code: 126 },
      });
      expect(await failure(["true"], { cwd: "/nowhere" })).toMatchObject({ exit: { code: 126 } });
      expect(await failure(["true"], { cwd: "/root", uid: 65_534 })).toMatchObject({ exit: { code: 126 } });
      expect(await failure(["x".repeat(9000)])).toMatchObject({ exit: { kind: "exited" } });
    }),
  );
  it(
    "passes its standard streams on, which can be opened by name, and closes its own",
    requires(NEEDS, async () => {
      const script = "cat; echo out >/dev/stdout; echo err >/dev/stderr; exec 1>&-; sleep 0.2; exit 3";
      const started = await exec(["sh", "-c", script], { uid: 1000 });
      expect(await collect(started, "in ")).toEqual({
        out: "in out\n",
        err: "err\n",
        exit: { kind: "exited", code: 3 },
      });
    }),
  );
  it(
    "signals the whole group",
    requires(NEEDS, async () => {
      const started = await exec(["sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait $!; echo over"]);
      if (started.streams.kind !== "pipes") throw new Error("asked for pipes");
      await new Promise((resolve) => started.streams.kind === "pipes" && started.streams.stdout.once("data", resolve));
      await started.kill("SIGTERM");
      await started.kill("SIGKILL");
      expect(await started.exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
      await started.kill("SIGTERM");
    }),
  );
  it(
    "stays for the rest of the program's group, but only as long as its owner wants",
    requires(NEEDS, async () => {
      const left = async () => {
        const started = await exec(["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $! $PPID; exit 4"]);
        if (started.streams.kind !== "pipes") throw new Error("asked for pipes");
        const pids = (await text(started.streams.stdout)).trim().split(" ").map(Number);
        expect(await started.exit).toEqual({ kind: "exited", code: 4 });
        const [child, helper] = await Promise.all(pids.map(identifyProcess));
        if (child === undefined || helper === undefined) throw new Error("it ended by itself");
        return { started, child, helper };
      };
      const first = await left();
      await first.started.kill("SIGTERM");
      await Promise.all([first.child, first.helper].map((one) => waitForEnd(one, { timeout: 20_000 })));
      const second = await left();
      second.started.release?.();
      await waitForEnd(second.helper, { timeout: 20_000 });
      expect(await isAlive(second.child)).toBe(true);
      process.kill(second.child.pid, "SIGKILL");
    }),
  );
  it(
    "kills the program when its owner is gone",
    requires(NEEDS, async () => {
      const script = `
        import { execInside } from ${JSON.stringify(new URL("../../src/exec/exec.ts", import.meta.url).pathname)};
        import { ExecHelpers } from ${JSON.stringify(new URL("../../src/exec/helper.ts", import.meta.url).pathname)};
        const argv = ["sh", "-c", "echo $$; sleep 1000"];
        const confinement = Buffer.from(${JSON.stringify(UNCONFINED.toString("hex"))}, "hex");
        const user = { uid: 0, gid: 0, groups: [] };
        const request = { argv, env: { PATH: "/bin" }, cwd: "/", ...user, tty: undefined };
        const helpers = new ExecHelpers({ ...${JSON.stringify(TARGET)}, confinement, stayTime: () => 1000 });
        const started = await execInside(helpers, { name: "here" }, "pipes", Promise.resolve(request), {});
        started.streams.stdout.pipe(process.stdout);
      `;
      const { spawn } = await import("node:child_process");
      const asker = spawn(
        process.execPath,
        ["--import", "tsx", "--conditions=@pileus/source", "--input-type=module", "-e", script],
        {
          cwd: new URL("../../../..", import.meta.url).pathname,
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      const pid = Number(String(await new Promise((resolve) => asker.stdout.once("data", resolve))));
      expect(await readFile(`/proc/${pid}/comm`, "utf8")).toBe("sh\n");
      const identity = await identifyProcess(pid);
      if (identity === undefined) throw new Error("the program ended by itself");
      asker.kill("SIGKILL");
      await waitForEnd(identity, { timeout: 20_000 });
    }),
  );
  it(
    "starts nothing without a request",
    requires(NEEDS, async () => {
      const controller = new AbortController();
      const never = new Promise<HelperRequest>((_, reject) => {
        controller.signal.addEventListener("abort", () => reject(new Error("never asked")), { once: true });
      });
      const started = execInside(helpers, HERE, "pipes", never, { signal: controller.signal });
      controller.abort(new Error("changed my mind"));
      await expect(started).rejects.toThrow("changed my mind");
    }),
  );
  it(
    "makes a terminal of the requested size that belongs to the program's user, resizes, and loses no output at the end",
    requires([...NEEDS, "file:/dev/pts/ptmx"], async () => {
      const script =
        "stty size; tty; ls -ln $(tty) | cut -d' ' -f3; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done";
      const started = await exec(["sh", "-c", script], { tty: { columns: 81, rows: 25 }, uid: 1000 });
      if (started.streams.kind !== "tty") throw new Error("asked for a terminal");
      const { tty } = started.streams;
      let seen = "";
      await new Promise<void>((resolve) => {
        tty.on("data", (chunk) => {
          seen += chunk;
          if (seen.includes("ready")) resolve();
        });
      });
      const end = new Promise((resolve) => tty.once("end", resolve));
      await started.resize({ columns: 132, rows: 43 });
      expect(await started.exit).toEqual({ kind: "exited", code: 5 });
      await end;
      expect(seen).toMatch(/^25 81\r\n\/dev\/pts\/\d+\r\n1000\r\nready\r\n43 132\r\n$/);
      const many = await exec(["seq", "200000"], { tty: { columns: 80, rows: 24 } });
      if (many.streams.kind !== "tty") throw new Error("asked for a terminal");
      const lines = (await buffer(many.streams.tty)).toString().trimEnd().split("\r\n");
      expect([lines.length, lines.at(-1)]).toEqual([200_000, "200000"]);
    }),
  );
});
