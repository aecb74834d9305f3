import { writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { z } from "zod";
import type { Backend, Driver, ExecRequest, InstanceContext } from "../../src/contract/backend.ts";
import type { BackendProcess } from "../../src/contract/backend-process.ts";
import type { Capability } from "../../src/contract/capability.ts";
import type { FileOperations } from "../../src/contract/files.ts";
import { targetOf } from "../../src/engine/record/names.ts";
import { Layout } from "../../src/engine/root/layout.ts";
import type { AnyRunning } from "../../src/engine/run/run.ts";
import { NotFoundError } from "../../src/errors/all.ts";
import { openHostWith } from "../../src/host.ts";
import { IdRanges } from "../../src/idmap/id-ranges.ts";
import type { ImageStore } from "../../src/images/image-store.ts";
import type { Architecture, Image } from "../../src/model/image.ts";
import type { NetworkManager } from "../../src/network/network-manager.ts";
import { hostArchitecture } from "../../src/system/architecture.ts";
import type { ExitStatus, SignalName } from "../../src/terms/state.ts";

/** What the scripted driver does at one step: fail, wait, take note. */
export type Step = (context: { readonly name: string; readonly signal?: AbortSignal | undefined }) => unknown;

export interface Script {
  materialize?: Step;
  launch?: Step;
  ready?: Step;
  adopt?: Step;
  shutdown?: Step;
  kill?: Step;
  remove?: Step;
  freeze?: Step;
  unfreeze?: Step;
  reboot?: Step;
  metrics?: Step;
  isFrozen?: Step;
  exec?: (request: ExecRequest, signal: AbortSignal | undefined) => Promise<ScriptedProcess>;
  files?: Partial<FileOperations>;
  plan?: Backend["plan"];
  /** The ids of the host that instances need; none by default. */
  idmap?: Backend["idmap"];
  lastExit?: ExitStatus;
  /** What the driver keeps with a run. */
  facts?: unknown;
  /** What a run does not have, though the driver declares it. */
  without?: readonly "freeze"[];
  lacks?: (capability: Capability) => string | undefined;
  isEnding?: () => boolean;
}

/** One run in the scripted world: outlives the host, as a real one does. */
export class ScriptedRun {
  readonly exited: Promise<ExitStatus | undefined>;
  frozen: boolean | undefined = false;
  end: (status?: ExitStatus) => void = () => {};
  /** Breaks the promise that `exited` never rejects. */
  breakPromise: (reason: unknown) => void = () => {};
  constructor() {
    this.exited = new Promise((resolve, reject) => {
      this.end = resolve;
      this.breakPromise = reject;
    });
  }
}

export class ScriptedProcess implements BackendProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly tty = new PassThrough();
  readonly streams: BackendProcess["streams"];
  readonly exit: Promise<ExitStatus>;
  readonly signals: string[] = [];
  finish: (status: ExitStatus) => void = () => {};
  constructor(kind: "pipes" | "tty" = "pipes") {
    const { stdin, stdout, stderr, tty } = this;
    this.streams = kind === "tty" ? { kind, tty } : { kind, stdin, stdout, stderr };
    this.exit = new Promise((resolve) => {
      this.finish = (status) => {
        for (const stream of [stdout, stderr, tty]) stream.end();
        resolve(status);
      };
    });
  }
  async kill(signal: SignalName) {
    this.signals.push(signal);
    this.finish({ kind: "signaled", signal });
  }
  async resize() {}
}

/** A driver whose steps a test can script, with the runs of its world and the calls that it received. */
export class Scripted {
  script: Script = {};
  readonly calls: string[] = [];
  /** The instances as `adopt()` and `remove()` saw them, latest last. */
  readonly seen: InstanceContext[] = [];
  readonly runs = new Map<string, ScriptedRun>();

  driver<const C extends Capability = Capability>(
    capabilities: readonly C[] = [
      "exec",
      "files",
      "freeze",
      "network",
      "metrics",
      "logs",
      "console",
      "reboot",
    ] as unknown as readonly C[],
  ): Driver<"scripted", C, z.ZodType> {
    const section = z.strictObject({ colour: z.enum(["red", "green"]).default("red") }).prefault({});
    return {
      name: "scripted",
      kind: "system-container",
      capabilities: new Set(capabilities),
      section,
      accepts: ["rootfs"],
      probe: async () => ({
        usable: false,
        missing: [{ need: "binary:ghost", reason: "not on PATH", fix: "apt-get install ghost" }],
        facts: [{ name: "version", value: "1" }],
      }),
      open: () => this.#backend() as Backend<C>,
    };
  }

  run(name: string): ScriptedRun {
    const run = this.runs.get(name);
    if (run === undefined) throw new Error(`${name} does not run`);
    return run;
  }

  async #step(verb: keyof Script & string, name: string, signal?: AbortSignal | undefined) {
    this.calls.push(`${verb} ${name}`);
    await (this.script[verb] as Step | undefined)?.({ name, signal });
  }

  #backend(): Backend<never> {
    return {
      plan: (before, after) => this.script.plan?.(before, after) ?? { changes: [] },
      idmap: (config) => this.script.idmap?.(config),
      materialize: ({ name }, { signal }) => this.#step("materialize", name, signal),
      launch: async ({ name }, { signal, remember }) => {
        if (this.script.facts !== undefined) await remember(this.script.facts);
        await this.#step("launch", name, signal);
        const run = new ScriptedRun();
        this.runs.set(name, run);
        run.exited.then(
          () => this.runs.get(name) === run && this.runs.delete(name),
          () => undefined,
        );
        return this.#running(name, run);
      },
      adopt: async (context, { signal }) => {
        const { name } = context;
        this.seen.push(context);
        await this.#step("adopt", name, signal);
        const run = this.runs.get(name);
        return run && this.#running(name, run);
      },
      lastExit: async () => this.script.lastExit,
      remove: (context, { signal }) => {
        this.seen.push(context);
        return this.#step("remove", context.name, signal);
      },
      logs: ({ name, log }) => {
        const path = join(log, "console.log");
        writeFileSync(path, `log of ${name}`);
        return { console: path };
      },
    };
  }

  #running(name: string, run: ScriptedRun): AnyRunning {
    const files = () => this.script.files as FileOperations;
    let detached = () => {};
    const gone = new Promise<void>((resolve) => {
      detached = resolve;
    });
    // After detach() no event is reported any more.
    const exited = new Promise<ExitStatus | undefined>((resolve, reject) => {
      void Promise.race([run.exited.then(resolve, reject), gone]);
    });
    const running: AnyRunning = {
      pid: 4242,
      exited,
      isFrozen: async ({ signal }) => {
        await this.script.isFrozen?.({ name, signal });
        return run.frozen;
      },
      lacks: (capability) => this.script.lacks?.(capability),
      isEnding: () => this.script.isEnding?.() ?? false,
      shutdown: async ({ signal }) => {
        await this.#step("shutdown", name, signal);
        if (this.script.shutdown === undefined) run.end({ kind: "exited", code: 0 });
      },
      kill: async () => {
        await this.#step("kill", name);
        run.end({ kind: "signaled", signal: "SIGKILL" });
      },
      detach: async () => {
        this.calls.push(`detach ${name}`);
        detached();
      },
      exec: async (request, { signal }) =>
        this.script.exec?.(request, signal) ?? new ScriptedProcess(request.tty ? "tty" : "pipes"),
      get files() {
        return files();
      },
      freeze: async ({ signal } = {}) => {
        await this.script.freeze?.({ name, signal });
        run.frozen = true;
      },
      unfreeze: async ({ signal } = {}) => {
        await this.script.unfreeze?.({ name, signal });
        run.frozen = false;
      },
      addresses: async () => [],
      console: async () => ({
        output: new PassThrough(),
        claim: async () => ({ granted: true, pid: 1, since: 0 }),
        write: async () => undefined,
        release: async () => undefined,
        resize: async () => undefined,
        onTaken: () => undefined,
      }),
      reboot: async ({ signal }) => {
        await this.script.reboot?.({ name, signal });
      },
      metrics: async ({ signal } = {}) => {
        await this.script.metrics?.({ name, signal });
        return { cpu: { seconds: 1 }, memory: { bytes: 2 } };
      },
    };
    const { ready } = this.script;
    if (ready !== undefined) running.ready = async ({ signal }) => void (await ready({ name, signal }));
    for (const operation of this.script.without ?? []) delete running[operation];
    return running;
  }
}

/** An architecture that this host does not have. */
export const FOREIGN: Architecture = hostArchitecture() === "amd64" ? "arm64" : "amd64";

export const IMAGE: Image = {
  kind: "rootfs",
  fingerprint: `sha256:${"a".repeat(64)}`,
  architecture: hostArchitecture(),
  size: 1,
  createdAt: 0,
  source: "test",
  aliases: ["base"],
  layers: [],
  properties: {},
};

/** A store with one image, and networks with only `net0`: the names with reservations, and whose networks were raised or restored. */
export function smallParts() {
  const reserved = new Set<string>();
  const nameOf = new Map<string, string>();
  const renaming: { step?: Step } = {};
  const networkSteps: { bringUp?: Step; release?: Step } = {};
  const raised: { names: string[]; failure?: Error | undefined } = { names: [] };
  const restored: (readonly string[])[] = [];
  const unused = () => Promise.reject(new Error("not part of this test"));
  const images: ImageStore = {
    issues: async () => [],
    get: async (reference) => {
      if (reference === "base" || reference === IMAGE.fingerprint) return IMAGE;
      if (reference === "disk") return { ...IMAGE, kind: "disk" };
      if (reference === "foreign") return { ...IMAGE, architecture: FOREIGN };
      throw new NotFoundError("image", reference);
    },
    tree: async () => ({ kind: "layers", layers: [], merged: unused }),
    import: unused,
    list: unused,
    delete: unused,
    [Symbol.asyncDispose]: async () => {},
  };
  const networks: NetworkManager = {
    get: async (name) => {
      if (name !== "net0") throw new NotFoundError("network", name);
      return { name, up: true, ipv4: { address: "10.0.0.1/24", nat: true }, dns: { domain: "x" }, isolated: false };
    },
    reserve: async ({ name, uuid }) => {
      reserved.add(name);
      nameOf.set(uuid, name);
      return [];
    },
    rename: async ({ name, uuid }, { signal } = {}) => {
      const before = nameOf.get(uuid);
      await renaming.step?.({ name, signal });
      if (before === undefined) return;
      reserved.delete(before);
      reserved.add(name);
      nameOf.set(uuid, name);
    },
    release: async ({ name, uuid }) => {
      await networkSteps.release?.({ name });
      reserved.delete(nameOf.get(uuid) ?? name);
    },
    attachments: async () => [],
    bringUp: async ({ name }) => {
      await networkSteps.bringUp?.({ name });
      if (raised.failure !== undefined) throw raised.failure;
      raised.names.push(name);
    },
    restore: async (uuids) => void restored.push([...uuids]),
    issues: async () => [],
    create: unused,
    list: unused,
    delete: unused,
    [Symbol.asyncDispose]: async () => {},
  };
  const probeNetworks = async () => ({ missing: [], facts: [] });
  return {
    reserved,
    renaming,
    networkSteps,
    raised,
    restored,
    parts: { openImages: async () => images, openNetworks: async () => networks, probeNetworks },
  };
}

/** A root folder, on which hosts are opened one after another or side by side. Dispose it last. */
export async function scriptedRoot(parent = tmpdir()) {
  const root = join(await mkdtemp(join(parent, "pileus-engine-")), "root");
  const scripted = new Scripted();
  const { parts, ...networks } = smallParts();
  const claims = join(root, "../claims");
  const ids = new IdRanges({ etc: "/etc", proc: "/proc", claims });
  const hosts: AsyncDisposable[] = [];
  const layout = new Layout(root);
  const keyOf = (name: string) => targetOf(layout, name) ?? name;
  return {
    root,
    scripted,
    /** The folder and the lock of the instance of that name. */
    folder: (name: string) => layout.instance(keyOf(name)),
    lock: (name: string) => layout.instanceLock(keyOf(name)),
    ...networks,
    /** The ranges of ids that are given away. */
    claims: async () => (await readdir(claims)).filter((name) => name !== "lock"),
    open: async <const C extends Capability = Capability>(capabilities?: readonly C[]) => {
      const host = await openHostWith({ root, drivers: [scripted.driver<C>(capabilities)] }, { ...parts, ids });
      hosts.push(host);
      return host;
    },
    /** Opens a host, and waits until it has cleared what a crash left. */
    async recovered() {
      const host = await this.open();
      await host.doctor();
      return host;
    },
    dispose: async () => {
      for (const host of hosts) await host[Symbol.asyncDispose]();
      await rm(join(root, ".."), { recursive: true, force: true });
    },
  };
}

/** A promise that a test settles by hand; `arrived` resolves when a call waits for it. */
export function gate() {
  let open = () => {};
  let arrive = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const pass = () => {
    arrive();
    return opened;
  };
  return { open, arrived, pass };
}

/** Rejects with the signal's reason when it aborts; never resolves. */
export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
