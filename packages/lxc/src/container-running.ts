import { closeSync, constants, existsSync, openSync } from "node:fs";
import { constants as system } from "node:os";
import {
  type Abortable,
  ConnectionError,
  type ExitStatus,
  type InstanceMetrics,
  type InterfaceAddress,
  isInstanceError,
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
import { containerCgroup, mayStayInside } from "./cgroups.ts";
import { attachArgv } from "./commands.ts";
import { readConfinement } from "./confinement.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { inheritedVariables } from "./environment.ts";
import { execInside } from "./exec/exec.ts";
import { ExecHelpers, noRoom } from "./exec/helper.ts";
import { completeRequest } from "./exec/request.ts";
import { type Freezer, isFrozenIfThere, setFrozen, thawIfThere } from "./freezer.ts";
import { askToHalt } from "./halt.ts";
import type { HostFacts } from "./host-facts.ts";
import { type KillTarget, kill } from "./kill.ts";
import { lastExit } from "./last-exit.ts";
import { boundOutput } from "./log.ts";
import { readMetrics } from "./metrics.ts";
import { type Monitor, untilNextInit } from "./monitor.ts";
import { oomKills } from "./oom-kills.ts";
import { cgroupNames, containerPaths } from "./paths.ts";
import { keepTrimmed } from "./read-monitor-log.ts";
import { markOf, releaseRun } from "./release.ts";
import { waitForSystemd } from "./systemd.ts";
import { resolveUser } from "./user.ts";

/** The helper among the descriptors that lxc-attach inherits, as a path in the container's own /proc. */
const HELPER_INSIDE = "/proc/self/fd/4";
const O_PATH = 0o10000000;

/** How long the helper of exec stays in a container without a program, in milliseconds. */
const STAY_TIME = 60_000;

/** One run of a container, as `launchContainer()` and `adoptContainer()` return it. */
export class ContainerRunning implements Running<"exec" | "files" | "freeze" | "network" | "metrics" | "logs"> {
  readonly exited: Promise<ExitStatus | undefined>;
  readonly files: FileOperations;
  readonly #spec: ContainerSpec;
  readonly #access: TreeAccess;
  readonly #facts: HostFacts;
  readonly #monitor: Monitor;
  readonly #mark: string | undefined;
  readonly #helpers: ExecHelpers;
  readonly #leaveLogs: readonly (() => void)[];
  /** Aborted when no request to the init is needed any more. */
  readonly #over = new AbortController();
  readonly #detached = new AbortController();

  constructor(spec: ContainerSpec, facts: HostFacts, monitor: Monitor) {
    this.#spec = spec;
    this.#facts = facts;
    this.#monitor = monitor;
    this.#access = containedAccess({
      openRoot: () => this.#openRoot(),
      // An open descriptor stays open when the container ends, and would reach into the next run.
      assertCurrent: () => void monitor.init.current(),
      idmap: spec.idmap,
    });
    this.files = new LocalFiles(this.#access, {
      owner: spec.exec?.user === undefined ? undefined : () => resolveUser(this.files, spec.exec?.user),
    });
    // Read now, before another process can begin another run.
    this.#mark = markOf(spec);
    this.#helpers = new ExecHelpers({
      name: spec.name,
      argv: attachArgv(facts.tools.attach, spec, HELPER_INSIDE),
      // lxc-attach also reads the configuration, and refuses the name of a variable that it does not have itself.
      env: inheritedVariables(spec.init.env ?? {}),
      confinement: readConfinement(spec),
      stayTime: () => {
        const init = monitor.init.find();
        return init !== undefined && mayStayInside(facts.cgroups, spec, init.pid) ? STAY_TIME : 0;
      },
    });
    this.#leaveLogs = [keepTrimmed(containerPaths(spec).log), boundOutput(spec)];
    this.exited = this.#awaitEnd();
  }

  /** The pid of PID 1 on the host. */
  get pid(): number | undefined {
    return this.#monitor.init.find()?.pid;
  }

  isEnding(): boolean {
    const { init } = this.#monitor;
    return init.find() === undefined && !init.isRebooting();
  }

  /** Starts a program in the container. An abort before it resolves kills it inside. */
  async exec(request: ExecRequest, options: Abortable): Promise<BackendProcess> {
    options.signal?.throwIfAborted();
    const { name, idmap, exec = {} } = this.#spec;
    const { pid } = this.#monitor.init.current();
    const kind = request.tty === undefined ? "pipes" : "tty";
    const killsBefore = this.#oomKills();
    const completed = completeRequest(request, name, exec, this.files, idmap);
    // The program does not start before both are known.
    const asked = Promise.all([completed, killsBefore]).then(([whole]) => whole);
    const program = await execInside(this.#helpers, { name, idmap }, kind, asked, options).catch((cause: unknown) => {
      options.signal?.throwIfAborted();
      if (!isInstanceError(cause, "ERR_CONNECTION") || this.#isEnding(pid)) throw cause;
      throw noRoom(name, cause);
    });
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

  /** A container that is ending has left its cgroups and is not frozen. */
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
      if (!this.#isEnding(pid)) throw cause;
      throw new ConnectionError(`container "${this.#spec.name}"`, "its init is ending", { cause });
    }
  }

  /** An init that is ending has left its namespaces, although its process is still there for a moment. */
  #isEnding(pid: number): boolean {
    return this.#monitor.init.find()?.pid !== pid || !existsSync(`/proc/${pid}/ns/net`);
  }

  async metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    options.signal?.throwIfAborted();
    const { init } = this.#monitor;
    init.current();
    try {
      return await readMetrics(this.#facts.cgroups, (controller) => this.#cgroup(controller));
    } finally {
      // A cgroup ends with its init. A read at that time gives nothing or an error.
      init.current();
    }
  }

  /** Its addresses are set before it starts. */
  async ready(options: Abortable): Promise<void> {
    if (this.#spec.init.kind !== "systemd") return;
    const { name } = this.#spec;
    await waitForSystemd({ name, access: this.#access, exec: (request, of) => this.exec(request, of) }, options);
  }

  async shutdown(options: Abortable): Promise<void> {
    options.signal?.throwIfAborted();
    // The request is repeated in the background while a caller waits for the end.
    const linked = linkSignals(options.signal, this.#over.signal);
    const { init } = this.#monitor;
    const asked = askToHalt(init.current(), this.#spec.init.haltSignal, { signal: linked.signal });
    // No caller waits for this request: a caller of stop() sees whether the container ends, and may kill it if not.
    asked.catch(() => undefined).finally(() => linked[Symbol.dispose]());
  }

  /** The monitor starts the next PID 1 by itself: see `InitProcess`. */
  async reboot(options: Abortable): Promise<void> {
    options.signal?.throwIfAborted();
    using linked = linkSignals(options.signal, this.#over.signal);
    const { init } = this.#monitor;
    const before = init.current();
    // The request is repeated until PID 1 is ready for it, or gone.
    const asked = askToHalt(before, this.#spec.init.rebootSignal ?? system.signals.SIGINT, linked);
    await Promise.all([asked, untilNextInit(this.#spec, this.#monitor, before, linked)]);
  }

  async kill(): Promise<void> {
    this.#over.abort();
    const killLoop = await kill({
      monitor: this.#monitor,
      thaw: (init) => this.#thaw(init),
      release: () => releaseRun(this.#spec, this.#mark),
    });
    void killLoop(this.#detached.signal);
  }

  async detach(): Promise<void> {
    this.#over.abort();
    this.#detached.abort();
    this.#helpers[Symbol.dispose]();
    for (const leave of this.#leaveLogs) leave();
    this.#monitor.detach();
  }

  // A process frozen by version 1 does not die before it is thawed, and it has left its cgroups once it was killed.
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
      // A process that is ending still exists but has no root any more: linux/fs/proc/base.c, get_task_root().
      if (isThere && (error as NodeJS.ErrnoException).code === "ENOENT")
        throw new ConnectionError(`container "${this.#spec.name}"`, "its init is ending");
      if (isThere) throw error;
    }
    // Checks again: the init may have ended meanwhile, or its pid may belong to another process.
    if (root !== undefined && this.#monitor.init.find()?.pid === pid) return root;
    if (root !== undefined) closeSync(root);
    return this.#openRoot();
  }

  // Never rejects: `undefined` if the exit status cannot be read.
  async #awaitEnd(): Promise<ExitStatus | undefined> {
    await this.#monitor.ended;
    this.#over.abort();
    for (const leave of this.#leaveLogs) leave();
    const status = await lastExit(this.#spec).catch(() => undefined);
    // What cannot be released now is released by the next launch, adoption or removal.
    await releaseRun(this.#spec, this.#mark).catch(() => undefined);
    return status;
  }
}
