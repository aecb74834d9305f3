import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { AgentClient } from "@pileus/agent";
import {
  type Abortable,
  AgentError,
  ConnectionError,
  ProtocolError,
  TimeoutError,
  UnsupportedError,
} from "@pileus/core";
import { acquireLock, identifyProcess, isHeld, LOG_KEPT, type ProcessIdentity } from "@pileus/core/driver";
import { expect, it, vi } from "vitest";
import { AgentLink } from "../src/agent-link.ts";
import { PortClaims } from "../src/port-claims.ts";
import { QmpClient } from "../src/qmp/index.ts";
import { runFiles } from "../src/run-files.ts";
import { QemuRunning } from "../src/running.ts";
import { FakeMonitor, SILENCE } from "./support/fake-monitor.ts";
import { makeInstance } from "./support/instance.ts";

interface Machine extends AsyncDisposable {
  readonly running: QemuRunning;
  readonly monitor: FakeMonitor;
  readonly child: ChildProcess;
  /** The file that tells this run from another. */
  readonly mark: string;
  readonly releaseLock: string;
  readonly log: string;
}

interface MachineOptions {
  /** Absent for a guest without an agent. */
  readonly agent?: AgentLink;
  /** The identity that the run sees of its process. Default: the real one. */
  readonly see?: (identity: ProcessIdentity) => ProcessIdentity;
  /** What its QEMU has printed into a log of its own, as one of an earlier release. */
  readonly printed?: Buffer;
  /** Whether its QEMU hangs. */
  readonly silent?: boolean;
}

const disk = (device: string | undefined, name: string, read: number, written: number) => ({
  ...(device && { qdev: `/machine/peripheral/${device}/virtio-backend` }),
  ...{ device: "", "node-name": name, stats: { rd_bytes: read, wr_bytes: written, flush_operations: 3 } },
});
/** As QEMU 7.2 tells it. */
const BLOCK_STATS = [disk("root-disk", "root", 1000, 200), disk("runtime-disk", "runtime", 5000, 0)];

/** A run whose QEMU is a sleeping process with a scripted monitor. */
async function startMachine({
  agent,
  see = (identity) => identity,
  printed,
  silent,
}: MachineOptions = {}): Promise<Machine> {
  let status = "running";
  const monitor = await FakeMonitor.start(({ execute }) => {
    if (silent) return SILENCE;
    if (execute === "stop") status = "paused";
    if (execute === "cont") status = "running";
    if (execute === "query-chardev") return [{ label: "agent", filename: "disconnected", "frontend-open": true }];
    if (execute === "query-blockstats") return BLOCK_STATS;
    return execute === "query-status" ? { status, running: status === "running" } : {};
  });
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  const identity = await identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error("the stand-in did not start");
  const instance = await makeInstance();
  const log = join(instance.context.log, "console.log");
  if (printed !== undefined) await writeFile(log, printed);
  const mark = runFiles(instance.context).monitors[0] as string;
  await writeFile(mark, "of this run");
  const releaseLock = join(instance.context.folder, "releases", "one.lock");
  const qmp = await QmpClient.connect(monitor.path);
  const release = { instance: instance.context, releaseLock, cgroup: `pileus-stand-in-${process.pid}` };
  const running = new QemuRunning({
    ...release,
    identity: see(identity),
    qmp,
    agent,
    kept: undefined,
    room: undefined,
  });
  return {
    running,
    monitor,
    child,
    mark,
    releaseLock,
    log,
    async [Symbol.asyncDispose]() {
      await running.detach();
      child.kill("SIGKILL");
      await monitor[Symbol.asyncDispose]();
      await instance[Symbol.asyncDispose]();
    },
  };
}

it("settles exited when the process and its monitor have ended", async () => {
  await using machine = await startMachine();
  await machine.running.kill();
  await once(machine.child, "exit");
  machine.monitor.hangUp();
  expect(await machine.running.exited).toBeUndefined();
  await expect(readFile(machine.mark)).rejects.toThrow("ENOENT");
});

it("kills a frozen machine whose monitor has closed", async () => {
  await using machine = await startMachine();
  await machine.running.freeze();
  machine.monitor.hangUp();
  await machine.running.kill();
  await once(machine.child, "exit");
  expect(await machine.running.exited).toBeUndefined();
});

it("reports the metrics of a machine, and rejects for an ended one, however late its monitor closes", async () => {
  await using machine = await startMachine();
  const { cpu, memory, disk, network } = await machine.running.metrics();
  expect(cpu.seconds).toBeGreaterThanOrEqual(0);
  expect(memory.bytes).toBeGreaterThan(0);
  expect([disk, network]).toEqual([{ root: { read: 1000, written: 200 } }, {}]);
  await machine.running.kill();
  await once(machine.child, "exit");
  await expect(machine.running.metrics()).rejects.toThrow(ConnectionError);
});

it("settles exited without rejecting when the host could not check at first whether the process has ended", async () => {
  let blind = true;
  let looks = 0;
  const see = (identity: ProcessIdentity) => ({
    ...identity,
    // pidfd_open(2) refuses 0.
    get pid() {
      looks++;
      return blind ? 0 : identity.pid;
    },
  });
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  await using machine = await startMachine({ see });
  const before = looks;
  machine.child.kill("SIGKILL");
  await once(machine.child, "exit");
  machine.monitor.hangUp();
  await vi.waitFor(() => expect(looks).toBeGreaterThan(before + 1), 10_000);
  blind = false;
  expect(await machine.running.exited).toBeUndefined();
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

it("leaves the files of the next run alone when it sees the end of its own run late", async () => {
  await using machine = await startMachine();
  await writeFile(`${machine.mark}.next`, "of the next run");
  await rename(`${machine.mark}.next`, machine.mark);
  await machine.running.kill();
  await once(machine.child, "exit");
  machine.monitor.hangUp();
  await machine.running.exited;
  expect(await readFile(machine.mark, "utf8")).toBe("of the next run");
});

it("leaves the files of the next run alone when another process has released the ended one first", async () => {
  await using machine = await startMachine();
  const { mark, releaseLock } = machine;
  await mkdir(dirname(releaseLock));
  const other = await acquireLock(releaseLock);
  await machine.running.kill();
  await once(machine.child, "exit");
  machine.monitor.hangUp();
  // proc_locks(5): the arrow marks a waiting process.
  const waiting = new RegExp(`-> FLOCK .*:${(await stat(releaseLock)).ino} `);
  await vi.waitFor(async () => expect(await readFile("/proc/locks", "latin1")).toMatch(waiting), 10_000);
  await rm(mark);
  await writeFile(mark, "of the next run");
  await other.retire();
  await machine.running.exited;
  expect(await readFile(mark, "utf8")).toBe("of the next run");
  expect(await readdir(dirname(releaseLock))).toEqual([]);
});

it("keeps the log that the QEMU of an earlier release writes from filling the disk", async () => {
  await using machine = await startMachine({ printed: Buffer.alloc(3 * LOG_KEPT, "x") });
  const used = async () => (await stat(machine.log)).blocks * 512;
  expect(await used()).toBeLessThanOrEqual(2 * LOG_KEPT);
  await appendFile(machine.log, Buffer.alloc(2 * LOG_KEPT, "y"));
  await vi.waitFor(async () => expect(await used()).toBeLessThanOrEqual(2 * LOG_KEPT), 10_000);
});

it("freezes, reports that it is frozen, and unfreezes", async () => {
  await using machine = await startMachine();
  expect(await machine.running.isFrozen({})).toBe(false);
  await machine.running.freeze();
  expect(await machine.running.isFrozen({})).toBe(true);
  await machine.running.unfreeze();
  expect(await machine.running.isFrozen({})).toBe(false);
});

/** A session with an agent whose answers the test defines. */
function session(answers: Partial<AgentClient>): AgentClient {
  let end: (reason?: Error) => void = () => undefined;
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  return { ...answers, closed, close: () => end() } as AgentClient;
}

it("freezes a guest whose agent answers nonsense when it is asked for its metrics", async () => {
  const metrics = () => Promise.reject(new ProtocolError("nonsense", ""));
  const link = new AgentLink(async () => session({ metrics }));
  await using machine = await startMachine({ agent: link });
  await link.session();
  await machine.running.freeze();
  expect(await machine.running.isFrozen({})).toBe(true);
});

it("knows the programs of a frozen guest that did not tell its metrics", async () => {
  const metrics = () => Promise.reject(new ProtocolError("nonsense", ""));
  const programs = [{ id: "one", argv: ["sleep"], startedAt: 1, state: "running" } as const];
  const list = () => Promise.resolve(programs);
  const agent = session({ metrics, programs: { list } as unknown as AgentClient["programs"] });
  const link = new AgentLink(async () => agent);
  await using machine = await startMachine({ agent: link });
  await link.session();
  await machine.running.freeze();
  expect(await machine.running.detached.list({})).toEqual(programs);
});

it("reports the metrics of a guest that cannot tell its own, because it goes down, from its process", async () => {
  const metrics = () => Promise.reject(new AgentError("no /proc/stat", "ENOENT"));
  const link = new AgentLink(async () => session({ metrics }));
  await using machine = await startMachine({ agent: link });
  await link.session();
  const { memory, processes } = await machine.running.metrics();
  expect(memory.bytes).toBeGreaterThan(0);
  expect(processes).toBeUndefined();
});

it("waits in ready() for an agent for as long as its caller does, however slow the guest", async () => {
  const booting = ({ signal }: Abortable) =>
    new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
  const link = new AgentLink(booting);
  await using machine = await startMachine({ agent: link });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const caller = new AbortController();
    const ready = machine.running.ready({ signal: caller.signal });
    await vi.advanceTimersByTimeAsync(3_600_000);
    const reason = new Error("enough");
    caller.abort(reason);
    await expect(ready).rejects.toBe(reason);
  } finally {
    vi.useRealTimers();
  }
});

it("asks again in ready() when a busy guest does not say its addresses in time", async () => {
  const addresses = vi.fn().mockRejectedValueOnce(new TimeoutError("addresses", 60_000)).mockResolvedValue([]);
  const link = new AgentLink(async () => session({ addresses }));
  await using machine = await startMachine({ agent: link });
  await machine.running.ready({});
  expect(addresses).toHaveBeenCalledTimes(2);
});

it("survives an agent that connects after a shutdown was requested, and refuses it", async () => {
  let come: (agent: AgentClient) => void = () => undefined;
  const coming = new Promise<AgentClient>((resolve) => {
    come = resolve;
  });
  const shutdown = vi.fn(() => Promise.reject(new AgentError("I will not", "EPERM")));
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const link = new AgentLink(() => coming);
  await using machine = await startMachine({ agent: link });
  await machine.running.shutdown({});
  come(session({ shutdown }));
  await link.session();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", unhandled);
  expect(shutdown).toHaveBeenCalledOnce();
  expect(unhandled).not.toHaveBeenCalled();
});

it("presses the power button of a guest without an agent", async () => {
  await using machine = await startMachine();
  await machine.running.shutdown({});
  expect(machine.monitor.received.map(({ execute }) => execute)).toContain("system_powerdown");
});

it("lacks exec, files and network without an agent, and is ready at once", async () => {
  await using machine = await startMachine();
  await machine.running.ready({});
  for (const capability of ["exec", "files", "network"] as const) {
    expect(machine.running.lacks(capability)).toContain("without our agent");
  }
  expect(machine.running.lacks("freeze")).toBeUndefined();
});

it("says that its QEMU hangs when that does not tell whether it is frozen, of metrics and programs too", async () => {
  await using machine = await startMachine({ agent: new AgentLink(async () => session({})), silent: true });
  const { running } = machine;
  const calls = () => [running.isFrozen({}), running.metrics(), running.detached.list({})];
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const failures = calls().map((call) => expect(call).rejects.toThrow(TimeoutError));
    // Its greeting, and each question.
    while (machine.monitor.received.length < 4) await new Promise(setImmediate);
    await vi.advanceTimersByTimeAsync(20_000);
    await Promise.all(failures);
  } finally {
    vi.useRealTimers();
  }
});

it("notes the programs of a guest to freeze also when it must wait for a port of the agent", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-running-"));
  const claim = join(folder, "one.lock");
  const info = { id: "0123456789abcdef", argv: ["x"], startedAt: 1, state: "running" };
  const programs = { list: async () => [info] } as unknown as NonNullable<AgentClient["programs"]>;
  const metrics = () => Promise.reject(new AgentError("no /proc/stat", "ENOENT"));
  const open = async () => session({ programs, metrics });
  try {
    const other = await acquireLock(claim);
    await using machine = await startMachine({ agent: new AgentLink(open, new PortClaims(claim, { all: 1 })) });
    const freezing = machine.running.freeze();
    await vi.waitFor(() => expect(isHeld(`${claim}.next`)).toBe(true), 10_000);
    await other.retire();
    await freezing;
    expect(await machine.running.detached.list({})).toEqual([info]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("waits for any number of detached programs through one session with the agent", async () => {
  const asked = vi.fn(() => new Promise<never>(() => undefined));
  const infos = Array.from({ length: 50 }, (_, id) => ({ id: `${id}`, argv: ["x"], startedAt: id, state: "running" }));
  const programs = { list: async () => infos, wait: asked } as unknown as NonNullable<AgentClient["programs"]>;
  const open = vi.fn(async () => session({ programs }));
  await using machine = await startMachine({ agent: new AgentLink(open) });
  const found = await Promise.all(infos.map(({ id }) => machine.running.detached.open(id, {})));
  await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(50), 10_000);
  expect(open).toHaveBeenCalledOnce();
  for (const one of found) one?.release();
});

it("lacks detached programs from the first session with an agent that has none, also when that is over", async () => {
  const agent = session({});
  const link = new AgentLink(async () => agent);
  await using machine = await startMachine({ agent: link });
  const { running } = machine;
  expect(running.lacks("detached")).toBeUndefined();
  const request = { id: "0123456789abcdef", argv: ["true"], env: {}, cwd: undefined, user: undefined, tty: undefined };
  await expect(running.detached.list({})).rejects.toThrow(UnsupportedError);
  await expect(running.detached.open(request.id, {})).rejects.toThrow(UnsupportedError);
  await expect(running.detached.start(request, {})).rejects.toThrow("the agent of an earlier release");
  agent.close();
  await agent.closed;
  await new Promise(setImmediate);
  expect(link.current).toBeUndefined();
  expect(running.lacks("detached")).toContain("the agent of an earlier release");
  expect(running.lacks("exec")).toBeUndefined();
});

it("reports the metrics of its process, even while frozen", async () => {
  await using machine = await startMachine();
  await machine.running.freeze();
  const { cpu, memory } = await machine.running.metrics();
  expect(cpu.seconds).toBeGreaterThanOrEqual(0);
  expect(memory.bytes).toBeGreaterThan(0);
  expect(memory.limitBytes).toBe(512 * 2 ** 20);
});

it("leaves the machine running when it is detached, and then never settles exited", async () => {
  await using machine = await startMachine();
  await machine.running.detach();
  const settled = await Promise.race([machine.running.exited.then(() => "settled"), Promise.resolve("pending")]);
  expect(settled).toBe("pending");
  expect(machine.child.exitCode).toBeNull();
});
