import { closeSync, constants, existsSync, openSync } from "node:fs";
import {
  type Abortable,
  ConnectionError,
  type ExitStatus,
  type InstanceMetrics,
  type InterfaceAddress,
} from "@pileus/core";
import {
  type BackendProcess,
  containedAccess,
  type ExecRequest,
  type FileOperations,
  linkSignals,
  type ProcessIdentity,
  type Running,
} from "@pileus/core/driver";
import { LocalFiles, type TreeAccess } from "@pileus/core/files";
import { readAddresses } from "./addresses.ts";
import { containerCgroup } from "./cgroups.ts";
import { attachArgv } from "./commands.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { inheritedVariables } from "./environment.ts";
import { execInside } from "./exec/exec.ts";
import { completeRequest } from "./exec/request.ts";
import { type Freezer, isFrozenIfThere, setFrozen, thawIfThere } from "./freezer.ts";
import { askToHalt } from "./halt.ts";
import type { HostFacts } from "./host-facts.ts";
import { type KillTarget, kill } from "./kill.ts";
import { lastExit } from "./last-exit.ts";
import { readMetrics } from "./metrics.ts";
import type { Monitor } from "./monitor.ts";
import { oomKills } from "./oom-kills.ts";
import { cgroupNames, containerPaths } from "./paths.ts";
import { keepTrimmed } from "./read-monitor-log.ts";
import { markOf, releaseRun } from "./release.ts";
import { waitForSystemd } from "./systemd.ts";
import { resolveUser } from "./user.ts";

/** Where the helper is among the descriptors that lxc-attach inherits. The container's own /proc is asked. */
const HELPER_INSIDE = "/proc/self/fd/4";
const O_PATH = 0o10000000;

/** One run of a container, as `launchContainer()` and `adoptContainer()` hand it out. */
export class ContainerRunning implements Running<"exec" | "files" | "freeze" | "network" | "metrics" | "logs"> {
  readonly exited: Promise<ExitStatus | undefined>;
  readonly files: FileOperations;
  readonly #spec: ContainerSpec;
  readonly #access: TreeAccess;
  readonly #facts: HostFacts;
  readonly #monitor: Monitor;
  readonly #mark: string | undefined;
  readonly #leaveLog: () => void;
  /** Aborted when nobody asks the init for anything any more. */
  readonly #over = new AbortController();
  readonly #detached = new AbortController();

  constructor(spec: ContainerSpec, facts: HostFacts, monitor: Monitor) {
    this.#spec = spec;
    this.#facts = facts;
    this.#monitor = monitor;
    this.#access = containedAccess({
      openRoot: () => this.#openRoot(),
      // What is open stays so when the container ends, and would go on into the next run.
      assertCurrent: () => void monitor.init.current(),
      idmap: spec.idmap,
    });
    this.files = new LocalFiles(this.#access, {
      owner: spec.exec?.user === undefined ? undefined : () => resolveUser(this.files, spec.exec?.user),
    });
    // Read now, before anybody else can have begun another run.
    this.#mark = markOf(spec);
    this.#leaveLog = keepTrimmed(containerPaths(spec).log);
    this.exited = this.#awaitEnd();
  }

  /** PID 1, as the host counts. */
  get pid(): number | undefined {
    return this.#monitor.init.find()?.pid;
  }

  /** Starts a program in the container. An abort before it resolves kills it inside. */
  async exec(request: ExecRequest, options: Abortable): Promise<BackendProcess> {
    options.signal?.throwIfAborted();
    const { name, idmap, init, exec = {} } = this.#spec;
    const argv = attachArgv(this.#facts.tools.attach, this.#spec, HELPER_INSIDE);
    // lxc-attach reads the configuration, too, and refuses the name of a variable that it does not have itself.
    const env = inheritedVariables(init.env ?? {});
    const kind = request.tty === undefined ? "pipes" : "tty";
    const killsBefore = this.#oomKills();
    const completed = completeRequest(request, name, exec, this.files, idmap);
    // It does not begin before both are there.
    const asked = Promise.all([completed, killsBefore]).then(([whole]) => whole);
    const program = await execInside({ name, argv, env, idmap }, kind, asked, options);
    return { ...program, ranOutOfMemory: async () => (await this.#oomKills()) > (await killsBefore) };
  }

  async #oomKills(): Promise<number> {
    return oomKills(this.#facts.cgroups, this.#cgroup("memory"), cgroupNames(this.#spec).inner);
  }

  async freeze(options: Abortable = {}): Promise<void> {
    await setFrozen(this.#freezer(), true, options);
  }

  async unfreeze(options: Abortable = {}): Promise<void> {
    await setFrozen(this.#freezer(), false, options);
  }

  /** A container in the midst of its end has left its cgroups, and is not. */
  async isFrozen(): Promise<boolean> {
    const freezer = this.#findFreezer();
    return freezer !== undefined && isFrozenIfThere(freezer);
  }

  async addresses(options: Abortable = {}): Promise<readonly InterfaceAddress[]> {
    const { pid } = this.#monitor.init.current();
    try {
      return await readAddresses(pid, options);
    } catch (cause) {
      options.signal?.throwIfAborted();
      // One that is ending has no network any more, though its process is there for a moment yet.
      if (this.#monitor.init.find()?.pid === pid && existsSync(`/proc/${pid}/ns/net`)) throw cause;
      throw new ConnectionError(`container "${this.#spec.name}"`, "its init is ending", { cause });
    }
  }

  async metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    options.signal?.throwIfAborted();
    const { init } = this.#monitor;
    init.current();
    try {
      return await readMetrics(this.#facts.cgroups, (controller) => this.#cgroup(controller));
    } finally {
      // A cgroup goes with its init: what was read of it then is nothing, or an error.
      init.current();
    }
  }

  /** Its addresses are there from the start. */
  async ready(options: Abortable): Promise<void> {
    if (this.#spec.init.kind !== "systemd") return;
    const { name } = this.#spec;
    await waitForSystemd({ name, access: this.#access, exec: (request, of) => this.exec(request, of) }, options);
  }

  async shutdown(options: Abortable): Promise<void> {
    options.signal?.throwIfAborted();
    // Goes on by itself for as long as somebody waits for the end.
    const linked = linkSignals(options.signal, this.#over.signal);
    const { init } = this.#monitor;
    const asked = askToHalt(init.current(), this.#spec.init.haltSignal, { signal: linked.signal });
    // Nobody waits for it: whoever stops a container sees whether it ends, and ends it by force where it does not.
    asked.catch(() => undefined).finally(() => linked[Symbol.dispose]());
  }

  async kill(): Promise<void> {
    this.#over.abort();
    const makeSure = await kill({
      monitor: this.#monitor,
      thaw: (init) => this.#thaw(init),
      release: () => releaseRun(this.#spec, this.#mark),
    });
    void makeSure(this.#detached.signal);
  }

  async detach(): Promise<void> {
    this.#over.abort();
    this.#detached.abort();
    this.#leaveLog();
    this.#monitor.detach();
  }

  // What is frozen by version 1 does not die before it is thawed, and has left its cgroups once it is killed.
  #thaw({ pid }: ProcessIdentity): ReturnType<KillTarget["thaw"]> {
    const { cgroups } = this.#facts;
    const freezer = containerCgroup(cgroups, this.#spec, pid, "freezer");
    if (freezer === undefined || cgroups.controller("freezer")?.version !== 1) return () => undefined;
    return () => thawIfThere(freezer);
  }

  #cgroup(controller: string): string | undefined {
    const init = this.#monitor.init.find();
    return init === undefined ? undefined : containerCgroup(this.#facts.cgroups, this.#spec, init.pid, controller);
  }

  #freezer(): Freezer {
    const found = this.#findFreezer();
    if (found !== undefined) return found;
    throw new ConnectionError(`container "${this.#spec.name}"`, "it has ended, or this host has no freezer");
  }

  #findFreezer(): Freezer | undefined {
    const folder = this.#cgroup("freezer");
    if (folder === undefined) return undefined;
    return { version: this.#facts.cgroups.controller("freezer")?.version ?? 2, folder };
  }

  /** The root as the container sees it now, mounts included. */
  #openRoot(): number {
    const { pid } = this.#monitor.init.current();
    let root: number | undefined;
    try {
      root = openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY);
    } catch (error) {
      const isThere = this.#monitor.init.find()?.pid === pid;
      // A process that is ending is there, and has no root any more: linux/fs/proc/base.c, get_task_root().
      if (isThere && (error as NodeJS.ErrnoException).code === "ENOENT")
        throw new ConnectionError(`container "${this.#spec.name}"`, "its init is ending");
      if (isThere) throw error;
    }
    // Asked again: it has ended meanwhile, or its pid became another's.
    if (root !== undefined && this.#monitor.init.find()?.pid === pid) return root;
    if (root !== undefined) closeSync(root);
    return this.#openRoot();
  }

  // Never rejects: what cannot be read of how it ended is not known.
  async #awaitEnd(): Promise<ExitStatus | undefined> {
    await this.#monitor.ended;
    this.#over.abort();
    this.#leaveLog();
    const status = await lastExit(this.#spec).catch(() => undefined);
    // What cannot be given back now will be tried again by the next launch, adoption or removal.
    await releaseRun(this.#spec, this.#mark).catch(() => undefined);
    return status;
  }
}
