import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AgentClient } from "@pileus/agent";
import {
  type Abortable,
  ConnectionError,
  type ExitStatus,
  isInstanceError,
  type SignalName,
  type Timed,
  UnsupportedError,
} from "@pileus/core";
import {
  type BackendDetached,
  type BackendDetachedProgram,
  type DetachedInfo,
  type DetachedOutputOptions,
  type DetachedRequest,
  type OutputChunk,
  readIfThere,
} from "@pileus/core/driver";
import { OLD_AGENT } from "./lacks.ts";

type Programs = NonNullable<AgentClient["programs"]>;

/** How a run reaches the programs of its guest. */
export interface GuestAccess {
  /** The name of the instance, for messages. */
  readonly name: string;
  /** `InstanceContext.run`. */
  readonly run: string;
  session(options: Abortable & Timed): Promise<AgentClient>;
  isFrozen(options: Abortable): Promise<boolean | undefined>;
}

/**
 * The detached programs of a machine: its agent holds them, so they are forgotten when the guest boots again. A frozen
 * guest answers nothing, and what waits in a port is lost when its session ends. So files of the run hold the list of the
 * moment before the freeze, and the signals for the moment after it, for every process.
 */
export class GuestPrograms implements BackendDetached {
  readonly #access: GuestAccess;
  readonly #list: string;
  readonly #signals: string;

  constructor(access: GuestAccess) {
    this.#access = access;
    this.#list = join(access.run, "programs.json");
    this.#signals = join(access.run, "signals");
  }

  async start(request: DetachedRequest, options: Abortable): Promise<DetachedInfo> {
    try {
      return await programsOf(await this.#session(options)).start(request, options);
    } catch (error) {
      // Whether the agent has heard that it shall go on, nobody knows.
      if (isInstanceError(error, "ERR_CONNECTION"))
        await this.#signal(request.id, "SIGKILL", options).catch(() => undefined);
      throw error;
    }
  }

  async list(options: Abortable): Promise<readonly DetachedInfo[]> {
    if (await this.#access.isFrozen(options)) return this.#listOfBefore();
    return programsOf(await this.#session(options)).list(options);
  }

  async open(id: string, options: Abortable): Promise<BackendDetachedProgram | undefined> {
    const info = (await this.list(options)).find((one) => one.id === id);
    const access = { ...this.#access, session: (given: Abortable & Timed) => this.#session(given) };
    return info && new GuestProgram(info, access, (signal) => this.#kill(id, signal));
  }

  /** To be called before a freeze: the list of an earlier one is of no use. */
  async forgetList(): Promise<void> {
    await rm(this.#list, { force: true });
  }

  /** To be called right before a freeze, with an agent that answers. */
  async noteList(agent: AgentClient, options: Abortable): Promise<void> {
    if (agent.programs === undefined) return;
    const list = JSON.stringify(await agent.programs.list(options));
    await writeFile(`${this.#list}.tmp`, list, { mode: 0o600 });
    await rename(`${this.#list}.tmp`, this.#list);
  }

  /** To be called right after a thaw. Goes on for as long as the guest takes to answer. */
  deliverSignals(): void {
    this.#session({ timeout: Number.POSITIVE_INFINITY }).catch(() => undefined);
  }

  async #kill(id: string, signal: SignalName): Promise<void> {
    if (!(await this.#access.isFrozen({}))) return this.#signal(id, signal, {});
    // Their names are in the order of time, and each is whole.
    const name = `${Date.now()}-${randomUUID()}`;
    await mkdir(this.#signals, { recursive: true, mode: 0o700 });
    await writeFile(`${this.#signals}/.${name}`, `${id} ${signal}`, { mode: 0o600 });
    await rename(`${this.#signals}/.${name}`, `${this.#signals}/${name}`);
    // A thaw that came before has not delivered it.
    if (!(await this.#access.isFrozen({}))) await this.#session({});
  }

  async #signal(id: string, signal: SignalName, options: Abortable): Promise<void> {
    await programsOf(await this.#session(options)).signal(id, signal, options);
  }

  /** Signals that wait since a freeze go first. One may arrive twice, if two processes deliver at once. */
  async #session(options: Abortable & Timed): Promise<AgentClient> {
    const agent = await this.#access.session(options);
    for (const name of await this.#waitingSignals()) {
      const path = join(this.#signals, name);
      const [id = "", signal = ""] = ((await readIfThere(path)) ?? "").split(" ");
      if (id !== "") await agent.programs?.signal(id, signal as SignalName, options);
      await rm(path, { force: true });
    }
    return agent;
  }

  async #waitingSignals(): Promise<readonly string[]> {
    try {
      return (await readdir(this.#signals)).filter((name) => !name.startsWith(".")).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  async #listOfBefore(): Promise<readonly DetachedInfo[]> {
    try {
      return JSON.parse(await readFile(this.#list, "utf8")) as readonly DetachedInfo[];
    } catch (cause) {
      const why = "the machine is frozen, and its agent has not told its programs before";
      throw new ConnectionError(`the agent of "${this.#access.name}"`, why, { cause });
    }
  }
}

class GuestProgram implements BackendDetachedProgram {
  readonly info: DetachedInfo;
  readonly exit: Promise<ExitStatus | undefined>;
  /** In a frozen machine it takes effect at the thaw. */
  readonly kill: (signal: SignalName) => Promise<void>;
  readonly #access: GuestAccess;
  readonly #left = new AbortController();

  constructor(info: DetachedInfo, access: GuestAccess, kill: (signal: SignalName) => Promise<void>) {
    this.info = info;
    this.#access = access;
    this.kill = kill;
    this.exit = info.exit === undefined ? this.#wait() : Promise.resolve(info.exit);
    this.exit.catch(() => undefined);
  }

  /** @throws {ConnectionError} for what a frozen guest has printed until now: it tells that after the thaw. */
  async output(options: DetachedOutputOptions): Promise<AsyncIterable<OutputChunk>> {
    if (!options.follow && (await this.#access.isFrozen({})))
      throw new ConnectionError(
        `the agent of "${this.#access.name}"`,
        "the machine is frozen, and it answers after the thaw",
      );
    return this.#read(options);
  }

  release(): void {
    this.#left.abort();
  }

  async *#read({ offset, follow, signal }: DetachedOutputOptions): AsyncGenerator<OutputChunk, void> {
    const { id } = this.info;
    const left = this.#left.signal;
    const end = () => signal?.throwIfAborted();
    for (let at = offset; ; ) {
      const agent = await this.#session().catch((error: unknown) => {
        // The machine has ended, or this reader has left: there is no more.
        if (left.aborted || isInstanceError(error, "ERR_CONNECTION")) return undefined;
        throw error;
      });
      if (agent === undefined) return end();
      try {
        for await (const chunk of await programsOf(agent).attach(id, { offset: at, follow }, { signal: left })) {
          end();
          at = chunk.offset + chunk.data.length;
          yield chunk;
        }
        return end();
      } catch (error) {
        end();
        // The guest has booted again, and has forgotten it.
        if (left.aborted || isInstanceError(error, "ERR_PROCESS_NOT_FOUND")) return;
        await this.#sessionEnds(agent, error);
      }
    }
  }

  async #wait(): Promise<ExitStatus | undefined> {
    for (;;) {
      const agent = await this.#session();
      try {
        return await programsOf(agent).wait(this.info.id, { signal: this.#left.signal });
      } catch (error) {
        if (isInstanceError(error, "ERR_PROCESS_NOT_FOUND")) return undefined;
        await this.#sessionEnds(agent, error);
      }
    }
  }

  /** Its agent may have restarted, or lost its host for a moment: then the next session goes on. @throws any other error */
  async #sessionEnds(agent: AgentClient, error: unknown): Promise<void> {
    if (this.#left.signal.aborted || !isInstanceError(error, "ERR_CONNECTION")) throw error;
    await agent.closed;
  }

  #session(): Promise<AgentClient> {
    return this.#access.session({ signal: this.#left.signal, timeout: Number.POSITIVE_INFINITY });
  }
}

/** @throws {UnsupportedError} */
function programsOf({ programs }: AgentClient): Programs {
  if (programs !== undefined) return programs;
  throw new UnsupportedError({ capability: "detached", reason: OLD_AGENT });
}
