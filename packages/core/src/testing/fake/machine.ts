import { posix } from "node:path";
import { FileError } from "../../errors/all.ts";
import type { Limits } from "../../model/limits.ts";
import type { ExitStatus, SignalName } from "../../terms/state.ts";
import { FakeDetached } from "./detached.ts";
import { Gate } from "./gate.ts";
import type { FakeOutput } from "./output.ts";
import { type FakeCall, FakeProcess, type FakeProgram, writeTo } from "./process.ts";
import type { Stdio } from "./stdio.ts";
import type { FakeTerminal } from "./terminal.ts";
import type { FakeTree } from "./tree.ts";
import type { FakeUser } from "./users.ts";

/** The simulated use of each program: memory in bytes, and processor time as a share. */
const MEMORY_EACH = 2 ** 20;
const BUSY = 0.01;
/** limits.h, PATH_MAX less the NUL. */
const LONGEST_PATH = 4095;

/** The parameters of a new program. */
export interface Start {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: FakeUser;
  readonly stdio: Stdio;
  readonly terminal?: FakeTerminal | undefined;
  /** Default: a new group. */
  readonly group?: number | undefined;
  /** The program of `exec` that it descends from. Default: itself. */
  readonly origin?: number | undefined;
}

/**
 * The running part of a fake instance: processes over a tree of files. It belongs to a world, and outlives the host
 * that created it.
 */
export class FakeMachine {
  readonly tree: FakeTree;
  readonly programs: Readonly<Record<string, FakeProgram>>;
  readonly gate = new Gate();
  readonly startedAt = Date.now();
  /** Whether it obeys `shutdown()`. */
  readonly obeys: boolean;
  /** What the instance itself prints. */
  readonly output: FakeOutput;
  readonly ended: Promise<ExitStatus>;
  readonly detached = new FakeDetached();
  boots = 1;
  /** What it may use. Its programs are not held to it. */
  limits: Limits;
  /** The most memory that was in use at once, in bytes. */
  memoryPeak = MEMORY_EACH;
  /** How many programs were killed because memory ran out. */
  oomKills = 0;
  readonly #processes = new Map<number, FakeProcess>();
  #settle: (status: ExitStatus) => void = () => {};
  #lastPid = 1;
  #over = false;

  constructor(
    tree: FakeTree,
    programs: Readonly<Record<string, FakeProgram>>,
    parts: { readonly obeys: boolean; readonly output: FakeOutput; readonly limits: Limits },
  ) {
    this.tree = tree;
    this.programs = programs;
    this.obeys = parts.obeys;
    this.output = parts.output;
    this.limits = parts.limits;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Process 1 counts. */
  get processes(): number {
    return this.#processes.size + 1;
  }

  /** Ends process 1, and everything with it. */
  end(status: ExitStatus): void {
    this.#over = true;
    for (const process of [...this.#processes.values()]) process.end({ kind: "signaled", signal: "SIGKILL" });
    this.gate.open();
    this.#settle(status);
  }

  /** The simulated use of a program: memory in bytes. */
  get memory(): number {
    return this.processes * MEMORY_EACH;
  }

  /** The simulated processor time since the start. */
  get cpuSeconds(): number {
    return ((Date.now() - this.startedAt) / 1000) * BUSY;
  }

  /** Ends every process but the first. */
  reboot(): void {
    this.boots += 1;
    for (const process of [...this.#processes.values()]) process.end({ kind: "signaled", signal: "SIGKILL" });
  }

  /** See {@link FakeCall.kill}. */
  kill(pid: number, signal: SignalName | 0): boolean {
    if (pid === 1) {
      // Process 1 is an init: it handles a request to end, and the kernel drops all other signals.
      if (signal === "SIGTERM" || signal === "SIGPWR" || signal === "SIGUSR2") this.end({ kind: "exited", code: 0 });
      return true;
    }
    const hit = [...this.#processes.values()].filter((one) => (pid < 0 ? one.group === -pid : one.pid === pid));
    if (signal !== 0) for (const process of hit) process.deliver(signal);
    return hit.length > 0;
  }

  /** Kills a process and everything that it started, in any group. */
  killAll(origin: number): void {
    for (const process of [...this.#processes.values()]) if (process.origin === origin) process.deliver("SIGKILL");
  }

  /** Starts the program whose end is the end of the instance. */
  startMain(start: Start): void {
    void this.start(start).exit.then((status) => this.end(status));
  }

  start(start: Start): FakeProcess {
    this.#lastPid += 1;
    const pid = this.#lastPid;
    const process = new FakeProcess(
      { pid, group: start.group ?? pid, origin: start.origin ?? pid },
      start.argv,
      start.stdio,
    );
    if (this.#over) {
      process.end({ kind: "signaled", signal: "SIGKILL" });
      return process;
    }
    this.#processes.set(pid, process);
    this.memoryPeak = Math.max(this.memoryPeak, this.memory);
    void process.exit.then(() => this.#processes.delete(pid));
    void this.#run(process, start);
    return process;
  }

  async #run(process: FakeProcess, start: Start): Promise<void> {
    const call = this.#call(process, start);
    try {
      const code = await this.#program(start)(call);
      process.end({ kind: "exited", code: code & 0xff });
    } catch (error) {
      if (process.killed.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      await call.complain(`${start.argv[0]}: ${why}\n`).catch(() => undefined);
      process.end({ kind: "exited", code: 1 });
    }
  }

  #call(process: FakeProcess, start: Start): FakeCall {
    const { stdio } = start;
    const signal = process.killed;
    const pass = () => this.gate.pass();
    const { pid, group, origin } = process;
    return {
      ...start,
      terminal: start.terminal,
      pid,
      signal,
      tree: this.tree,
      output: this.output,
      read: () => stdio.stdin.take(signal),
      print: async (data) => {
        await pass();
        await writeTo(stdio.stdout, data, signal);
      },
      complain: async (data) => {
        await pass();
        await writeTo(stdio.stderr, data, signal);
      },
      sleep: async (duration) => {
        await pause(duration, signal);
        await pass();
      },
      start: (argv, { apart = false, ...changes } = {}) =>
        this.start({ ...start, ...changes, argv, origin, group: apart ? undefined : group }),
      become: async (argv, changes) => {
        if (changes?.stdio !== undefined) process.use(changes.stdio);
        const next = { ...start, ...changes, argv };
        return await this.#program(next)(this.#call(process, next));
      },
      kill: (target, name) => this.kill(target, name),
      runOutOfMemory: () => {
        this.oomKills += 1;
        process.deliver("SIGKILL");
      },
    };
  }

  /** Why a file cannot exist at a path, for a reason other than ENOENT. */
  #refusal(path: string): string | undefined {
    if (Buffer.byteLength(path) > LONGEST_PATH) return "ENAMETOOLONG";
    try {
      this.tree.node("run", path);
    } catch (error) {
      if (error instanceof FileError && error.errno !== "ENOENT") return error.errno;
    }
    return undefined;
  }

  /** Finds a program. If there is none, returns one that explains the error and exits as a shell would. */
  #program({ argv, env, cwd }: Start): FakeProgram {
    const [name = ""] = argv;
    const folder = this.tree.find(cwd);
    if (folder?.type !== "directory")
      return refuse(126, `cannot enter ${cwd}: ${folder === undefined ? "not found" : "not a folder"}`);
    const refused = name.includes("/") ? this.#refusal(posix.resolve(cwd, name)) : undefined;
    if (refused !== undefined) return refuse(126, `cannot run ${name}: ${refused}`);
    const program = Object.hasOwn(this.programs, posix.basename(name))
      ? this.programs[posix.basename(name)]
      : undefined;
    const folders = name.includes("/") ? [""] : (env["PATH"] ?? "").split(":");
    const found = folders
      .map((folder) => this.tree.find(posix.resolve(cwd, folder, name)))
      .find((node) => node !== undefined && (name.includes("/") || node.type === "file"));
    if (found !== undefined && (found.type !== "file" || (found.mode & 0o111) === 0))
      return refuse(126, `cannot run ${name}: permission denied`);
    if (program !== undefined) return program;
    const script = this.programs["sh"];
    if (script !== undefined && found?.type === "file" && found.content.length > 0) {
      const file = folders
        .map((folder) => posix.resolve(cwd, folder, name))
        .find((path) => this.tree.find(path) === found);
      return (call) => script({ ...call, argv: ["sh", file ?? name, ...argv.slice(1)] });
    }
    const why = found === undefined ? "not found" : "a fake instance has no such program";
    return refuse(127, `cannot run ${name}: ${why}`);
  }
}

/** A program that could not be started, with the result that every driver gives. */
function refuse(code: 126 | 127, why: string): FakeProgram {
  return async (call) => {
    await call.complain(`exec: ${why}\n`);
    return code;
  };
}

function pause(duration: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    // setTimeout(3) of Node: at most 2^31 - 1.
    const timer = setTimeout(
      () => {
        signal.removeEventListener("abort", stop);
        resolve();
      },
      Math.min(duration, 2 ** 31 - 1),
    );
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
}
