import { Readable } from "node:stream";
import type { Driver } from "@pileus/core";
import type { Backend, BackendProcess, FileOperations, Running } from "@pileus/core/driver";
import { instead } from "../testing/broken.ts";

/** The steps of a backend at which it can fail its caller. */
export const STEPS = [
  "backend.plan",
  "backend.materialize",
  "backend.launch",
  "backend.adopt",
  "backend.lastExit",
  "backend.remove",
  "backend.logs",
  "running.lacks",
  "running.ready",
  "running.shutdown",
  "running.kill",
  "running.update",
  "running.detach",
  "running.exec",
  "running.freeze",
  "running.unfreeze",
  "running.isFrozen",
  "running.addresses",
  "running.metrics",
  "running.reboot",
  "process.kill",
  "process.resize",
  "files.read",
  "files.write",
  "files.stat",
  "files.list",
  "files.mkdir",
  "files.remove",
  "files.readTree",
  "files.writeTree",
] as const;
export type Step = (typeof STEPS)[number];

/** The steps that answer at once, without a promise. */
export const SYNCHRONOUS: readonly Step[] = ["backend.plan", "running.lacks"];

const enospc = () => Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", errno: -28 });

const NONSENSE = { nonsense: true, streams: 7, stream: "x", changes: [null, { path: 7, effect: "live" }] };

/** The ways in which a step fails its caller. A silent one heeds no signal. */
export const FAULTS = {
  silent: () => new Promise<never>(() => undefined),
  throws: () => {
    throw enospc();
  },
  rejects: () => Promise.reject(enospc()),
  "rejects with a bare word": () => Promise.reject("no"),
  "answers nothing": () => Promise.resolve(undefined),
  "answers nonsense": () => Promise.resolve(NONSENSE),
  "answers nonsense at once": () => NONSENSE,
  "answers with what never ends": () => Promise.resolve(endless()),
} as const;
export type FaultName = keyof typeof FAULTS;

function endless(): Readable {
  return new Readable({
    read() {
      setImmediate(() => this.push(Buffer.alloc(65536, "x")));
    },
  });
}

/** Which steps misbehave, and how. */
export type Faults = Readonly<Partial<Record<Step, FaultName>>>;

/** A driver with steps that misbehave once `on` is set. */
export class Sabotage {
  on = false;
  /** The steps that were called since then. */
  readonly touched = new Set<Step>();
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  driver(good: Driver): Driver {
    return { ...good, open: (context) => this.#backend(good.open(context)) };
  }

  #backend(backend: Backend): Backend {
    const wrapped = instead(backend, {
      launch: async (...call) => this.#running(await backend.launch(...call)),
      adopt: async (...call) => {
        const found = await backend.adopt(...call);
        return found && this.#running(found);
      },
    });
    return this.#watched("backend", wrapped);
  }

  #running(running: Running): Running {
    const wrapped = instead(running, {
      files: this.#watched<FileOperations>("files", running.files),
      exec: async (...call) => this.#watched<BackendProcess>("process", await running.exec(...call)),
    });
    return this.#watched("running", wrapped);
  }

  #watched<T extends object>(owner: string, target: T): T {
    return new Proxy(target, {
      get: (from, key) => {
        const value: unknown = Reflect.get(from, key);
        if (typeof value !== "function") return value;
        const step = STEPS.find((known) => known === `${owner}.${String(key)}`);
        return (...call: unknown[]) => {
          if (step === undefined || !this.on) return value.apply(from, call);
          this.touched.add(step);
          const fault = this.#faults[step];
          return fault === undefined ? value.apply(from, call) : FAULTS[fault]();
        };
      },
    });
  }
}
