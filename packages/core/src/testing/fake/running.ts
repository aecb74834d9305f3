import type {
  ExecRequest,
  InstanceContext,
  Running,
  RunningCapabilities,
  RunningCore,
} from "../../contract/backend.ts";
import type { DetachedRequest } from "../../contract/backend-detached.ts";
import type { BackendProcess } from "../../contract/backend-process.ts";
import type { InstanceMetrics, InterfaceAddress } from "../../contract/capability.ts";
import type { DetachedInfo } from "../../contract/detached.ts";
import { ConnectionError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable } from "../../flow/deadline.ts";
import type { BackendOptions } from "./backend.ts";
import type { FakeMachine, Start } from "./machine.ts";
import type { FakeProcess } from "./process.ts";
import { pipes } from "./stdio.ts";
import { FakeTerminal } from "./terminal.ts";
import { FakeFiles } from "./tree-files.ts";
import { type FakeUser, findUser } from "./users.ts";
import type { FakeDisk } from "./world.ts";

/** Where programs are looked for. */
export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Nothing goes through the nics of a fake instance. */
const NONE = { bytes: 0, packets: 0, errors: 0, dropped: 0 };
const NO_TRAFFIC = { received: NONE, sent: NONE };

export interface RunningOptions extends BackendOptions {
  readonly instance: InstanceContext;
  readonly machine: FakeMachine;
  readonly disk: FakeDisk;
}

/** One run of a fake instance, as one host holds it. */
export class FakeRunning {
  readonly #options: RunningOptions;
  readonly #machine: FakeMachine;
  #left = false;

  constructor(options: RunningOptions) {
    this.#options = options;
    this.#machine = options.machine;
  }

  /** Only with the operations of the driver's capabilities. */
  asRunning(): Running {
    const operations: { [C in keyof RunningCapabilities]: RunningCapabilities[C] } = {
      exec: { exec: (request, options) => this.#exec(request, options) },
      detached: {
        detached: {
          start: (request, options) => this.#startDetached(request, options),
          list: async () => this.#machine.detached.list(),
          open: async (id) => this.#machine.detached.open(id),
        },
      },
      files: { files: new FakeFiles(this.#machine.tree, () => this.#user(undefined)) },
      freeze: {
        freeze: async () => this.#machine.gate.close(),
        unfreeze: async () => this.#machine.gate.open(),
        isFrozen: async () => this.#machine.gate.closed,
      },
      network: { addresses: async () => this.#addresses() },
      metrics: { metrics: async () => this.#metrics() },
      reboot: {
        reboot: async (options) => {
          const { faults, instance } = this.#options;
          await faults.reboot?.(instance, options);
          if (this.#machine.obeys) return this.#machine.reboot();
          await abortable(this.#machine.ended, options.signal);
          throw new ConnectionError("machine", "it has ended instead of a reboot");
        },
      },
      logs: {},
      console: { console: async () => this.#machine.output.console.open() },
    };
    const mine = Object.entries(operations).filter(([name]) =>
      this.#options.capabilities.has(name as keyof typeof operations),
    );
    return Object.assign(this.#core(), ...mine.map(([, methods]) => methods)) as Running;
  }

  #core(): RunningCore {
    const { world, faults, instance } = this.#options;
    const machine = this.#machine;
    return {
      exited: new Promise((resolve) => {
        void machine.ended.then((status) => {
          if (!this.#left) resolve(status);
        });
      }),
      lacks: (capability) => world.lacking.get(capability),
      shutdown: async (options) => {
        await faults.shutdown?.(instance, options);
        if (machine.obeys) machine.end({ kind: "exited", code: 0 });
      },
      update: async ({ after }, options) => {
        await faults.update?.(instance, options);
        options.signal?.throwIfAborted();
        machine.limits = after.limits;
      },
      kill: async () => {
        await faults.kill?.(instance, {});
        machine.end({ kind: "signaled", signal: "SIGKILL" });
      },
      detach: async () => {
        this.#left = true;
      },
    };
  }

  /** What a program is started with. */
  async #asked(request: ExecRequest, options: Abortable): Promise<Omit<Start, "stdio">> {
    const { instance, faults } = this.#options;
    await faults.exec?.(instance, options);
    options.signal?.throwIfAborted();
    if (this.#machine.isOver) throw new ConnectionError(`fake instance "${instance.name}"`, "it has ended");
    const { process: image } = instance.image;
    const user = this.#user(request.user);
    const env = {
      PATH,
      HOME: user.home,
      USER: user.name,
      HOSTNAME: instance.name,
      ...(request.tty === undefined ? {} : { TERM: "xterm-256color" }),
      ...Object.fromEntries((image?.env ?? []).map((pair) => pair.split(/=([\s\S]*)/, 2))),
      ...request.env,
    };
    return { argv: request.argv, env, cwd: request.cwd ?? image?.workdir ?? "/", user };
  }

  async #exec(request: ExecRequest, options: Abortable): Promise<BackendProcess> {
    const machine = this.#machine;
    const killsBefore = machine.oomKills;
    const ranOutOfMemory = async () => machine.oomKills > killsBefore;
    const start = await this.#asked(request, options);
    if (request.tty === undefined) {
      const { stdio, host } = pipes(machine.gate);
      const process = machine.start({ ...start, stdio });
      return { ...this.#handle(process, undefined), streams: { kind: "pipes", ...host }, ranOutOfMemory };
    }
    const terminal = new FakeTerminal(request.tty, machine.gate, (signal) => machine.kill(-process.group, signal));
    const process = machine.start({ ...start, stdio: terminal.stdio, terminal });
    return { ...this.#handle(process, terminal), streams: { kind: "tty", tty: terminal.stream }, ranOutOfMemory };
  }

  async #startDetached(request: DetachedRequest, options: Abortable): Promise<DetachedInfo> {
    const asked = await this.#asked(request, options);
    return this.#machine.detached.start(request, (stdio) => {
      const process = this.#machine.start({ ...asked, stdio });
      const { kill } = this.#handle(process, undefined);
      return { exit: process.exit, kill: (signal) => void kill(signal) };
    });
  }

  /** The default user of programs, and the default owner of new files. */
  #user(asked: string | undefined): FakeUser {
    return findUser(this.#machine.tree, asked ?? (this.#options.instance.image.process?.user || undefined));
  }

  #handle(
    process: Pick<FakeProcess, "group" | "origin" | "exit">,
    terminal: FakeTerminal | undefined,
  ): Omit<BackendProcess, "streams"> {
    let ended = false;
    void process.exit.then(() => {
      ended = true;
    });
    return {
      exit: process.exit,
      kill: async (signal) => {
        // Pids are never reused here: a group with this number is the rest of this program's group.
        if (signal === "SIGKILL" && !ended) this.#machine.killAll(process.origin);
        else this.#machine.kill(-process.group, signal);
      },
      resize: async (size) => {
        if (terminal === undefined) return;
        terminal.size = size;
        this.#machine.kill(-process.group, "SIGWINCH");
      },
    };
  }

  #addresses(): InterfaceAddress[] {
    return this.#options.instance.nics.map(({ device, ipv4, mac }) => ({
      interface: device,
      family: "inet",
      address: ipv4.address,
      prefix: ipv4.prefix,
      mac,
    }));
  }

  #metrics(): InstanceMetrics {
    const { processes, memory, cpuSeconds, oomKills } = this.#machine;
    const limit = this.#machine.limits.memory?.limit;
    return {
      cpu: { seconds: cpuSeconds },
      memory: { bytes: memory, ...(limit === undefined ? {} : { limitBytes: limit }), swapBytes: 0, oomKills },
      processes,
      network: Object.fromEntries(this.#options.instance.nics.map(({ device }) => [device, NO_TRAFFIC])),
      disk: { root: { read: 0, written: 0 } },
    };
  }
}
