import { existsSync } from "node:fs";
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
  type BackendConsole,
  type BackendDetached,
  type BackendProcess,
  containedAccess,
  type ExecRequest,
  type FileOperations,
  KeptPrograms,
  keeperConsole,
  type LiveChange,
  linkSignals,
  ownCgroupFolders,
  type ProcessIdentity,
  type Running,
} from "@pileus/core/driver";
import { LocalFiles, type TreeAccess } from "@pileus/core/files";
import { ContainerAccounts } from "./accounts.ts";
import { readAddresses } from "./addresses.ts";
import { containerCgroup, mayStayInside } from "./cgroups.ts";
import { attachArgv } from "./commands.ts";
import { readConfinement } from "./confinement.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { inheritedVariables } from "./environment.ts";
import { type DetachedTarget, startDetached } from "./exec/detached.ts";
import { execInside } from "./exec/exec.ts";
import { ExecHelpers, noRoom } from "./exec/helper.ts";
import type { HelperRequest } from "./exec/protocol.ts";
import { completeRequest } from "./exec/request.ts";
import { type Freezer, isFrozenIfThere, setFrozen, thawIfThere } from "./freezer.ts";
import { askToHalt } from "./halt.ts";
import type { HostFacts } from "./host-facts.ts";
import { type KillTarget, kill } from "./kill.ts";
import { containerStatus } from "./last-exit.ts";
import { LiveChanges } from "./live-changes.ts";
import { readMetrics } from "./metrics.ts";
import type { Monitor } from "./monitor.ts";
import { oomKills } from "./oom-kills.ts";
import { cgroupNames } from "./paths.ts";
import { markOf, releaseRun } from "./release.ts";
import { openRootInside } from "./root-inside.ts";
import { waitForSystemd } from "./systemd.ts";

/** The helper among the descriptors that lxc-attach inherits, as a path in the container's own /proc. */
const HELPER_INSIDE = "/proc/self/fd/4";

/** How long the helper of exec stays in a container without a program, in milliseconds. */
const STAY_TIME = 60_000;

/** One run of a container, as `launchContainer()` and `adoptContainer()` return it. */
export class ContainerRunning
  implements Running<"exec" | "detached" | "files" | "freeze" | "network" | "metrics" | "logs" | "console">
{
  readonly exited: Promise<ExitStatus | undefined>;
  readonly files: FileOperations;
  readonly detached: BackendDetached;
  readonly #spec: ContainerSpec;
  readonly #access: TreeAccess;
  readonly #accounts: ContainerAccounts;
  readonly #facts: HostFacts;
  readonly #monitor: Monitor;
  readonly #mark: string | undefined;
  readonly #helpers: ExecHelpers;
  readonly #changes: LiveChanges;
  /** Aborted when no request to the init is needed any more; with an error if the container ends. */
  readonly #over = new AbortController();
  readonly #left = new AbortController();

  constructor(spec: ContainerSpec, facts: HostFacts, monitor: Monitor) {
    this.#spec = spec;
    this.#facts = facts;
    this.#monitor = monitor;
    this.#access = containedAccess({
      openRoot: () => openRootInside(monitor.init, spec.hostName),
      // An open descriptor stays open when the container ends, and would reach into the next run.
      assertCurrent: () => void monitor.init.current(),
      idmap: spec.idmap,
    });
    this.files = new LocalFiles(this.#access, {
      owner: spec.exec?.user === undefined ? undefined : () => this.#accounts.find(spec.exec?.user),
    });
    this.#accounts = new ContainerAccounts(() => openRootInside(monitor.init, spec.hostName), this.files);
    this.#changes = new LiveChanges(spec, monitor, {
      cgroups: facts.cgroups,
      folder: (controller) => this.#cgroup(controller),
      isEnding: (pid) => this.#isEnding(pid),
      over: this.#over.signal,
    });
    // Read now, before another process can begin another run.
    this.#mark = markOf(spec);
    this.#helpers = new ExecHelpers({
      name: spec.hostName,
      argv: attachArgv(facts.tools.attach, spec, HELPER_INSIDE),
      // lxc-attach also reads the configuration, and refuses the name of a variable that it does not have itself.
      env: inheritedVariables(spec.init.env ?? {}),
      confinement: readConfinement(spec),
      stayTime: () => (mayStayInside(facts.cgroups, spec, () => monitor.init.find()?.pid) ? STAY_TIME : 0),
    });
    this.detached = new KeptPrograms({
      name: spec.hostName,
      run: spec.run,
      cgroups: () => ownCgroupFolders(cgroupNames(spec).keeper, facts.cgroups),
      start: (request, launch, options) => {
        const { pid } = monitor.init.current();
        const started = startDetached(this.#helpers, this.#target, request, this.#complete(request), launch, options);
        return this.#withRoom(pid, started, options);
      },
    });
    this.exited = this.#awaitEnd();
  }

  /** The pid of PID 1 on the host. */
  get pid(): number | undefined {
    return this.#monitor.init.find()?.pid;
  }

  isEnding(): boolean {
    const { init } = this.#monitor;
    if (isInstanceError(this.#over.signal.reason, "ERR_CONNECTION")) return true;
    return init.find() === undefined && !init.isRebooting();
  }

  /** Opens the terminal of PID 1, which its keeper holds. */
  console(options: Abortable): Promise<BackendConsole> {
    return keeperConsole(this.#spec.run, options);
  }

  /** Starts a program in the container. An abort before it resolves kills it inside. */
  async exec(request: ExecRequest, options: Abortable): Promise<BackendProcess> {
    options.signal?.throwIfAborted();
    const { pid } = this.#monitor.init.current();
    const kind = request.tty === undefined ? "pipes" : "tty";
    const killsBefore = this.#oomKills(pid);
    const started = execInside(this.#helpers, this.#target, kind, this.#complete(request), options);
    const program = await this.#withRoom(pid, started, options);
    return { ...program, ranOutOfMemory: async () => this.#oomKills(pid) > killsBefore };
  }

  get #target(): DetachedTarget {
    const { hostName: name, idmap, run } = this.#spec;
    return { name, idmap, run };
  }

  #complete(request: ExecRequest): Promise<HelperRequest> {
    const { hostName, idmap, exec = {} } = this.#spec;
    return completeRequest(request, hostName, exec, this.#accounts, idmap);
  }

  /** The connection to a program that the container had no room for is lost, too. */
  #withRoom<T>(init: number, started: Promise<T>, { signal }: Abortable): Promise<T> {
    return started.catch((cause: unknown) => {
      signal?.throwIfAborted();
      if (!isInstanceError(cause, "ERR_CONNECTION") || this.#isEnding(init)) throw cause;
      throw noRoom(this.#spec.hostName, cause);
    });
  }

  #oomKills(init: number): number {
    const { cgroups } = this.#facts;
    return oomKills(cgroups, containerCgroup(cgroups, this.#spec, init, "memory"), cgroupNames(this.#spec).inner);
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
      throw new ConnectionError(`container "${this.#spec.hostName}"`, "its init is ending", { cause });
    }
  }

  /** An init that is ending has left its namespaces, although its process is still there for a moment. */
  #isEnding(pid: number): boolean {
    return this.#monitor.init.find()?.pid !== pid || !existsSync(`/proc/${pid}/ns/net`);
  }

  /** Changes disks and limits. */
  update(change: LiveChange, options: Abortable): Promise<void> {
    return this.#changes.make(change, options);
  }

  async metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    options.signal?.throwIfAborted();
    const { init } = this.#monitor;
    init.current();
    try {
      return await readMetrics({
        cgroups: this.#facts.cgroups,
        folder: (controller) => this.#cgroup(controller),
        inner: cgroupNames(this.#spec).inner,
        nics: this.#spec.nics,
      });
    } finally {
      // A cgroup ends with its init. A read at that time gives nothing or an error.
      init.current();
    }
  }

  /** Its addresses are set before it starts. */
  async ready(options: Abortable): Promise<void> {
    if (this.#spec.init.kind !== "systemd") return;
    const { hostName: name } = this.#spec;
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
    await Promise.all([asked, this.#monitor.untilNextInit(before, linked)]);
    await this.#changes.restore();
  }

  async kill(): Promise<void> {
    this.#over.abort(this.#ending());
    // So that no reboot inside brings another PID 1.
    this.#monitor.kill();
    const killLoop = await kill({
      monitor: this.#monitor,
      thaw: (init) => this.#thaw(init),
      release: () => releaseRun(this.#spec, this.#mark),
    });
    void killLoop(this.#left.signal);
  }

  async detach(): Promise<void> {
    this.#over.abort();
    this.#left.abort();
    this.#helpers[Symbol.dispose]();
    this.#monitor.detach();
  }

  /** For a call under way, which the engine then tells how the instance ended. */
  #ending(): ConnectionError {
    return new ConnectionError(`container "${this.#spec.hostName}"`, "it is ending");
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
    throw new ConnectionError(`container "${this.#spec.hostName}"`, "it has ended, or this host has no freezer");
  }

  #findFreezer(): Freezer | undefined {
    const folder = this.#cgroup("freezer");
    if (folder === undefined) return undefined;
    return { version: this.#facts.cgroups.controller("freezer")?.version ?? 2, folder };
  }

  // Never rejects: `undefined` if nobody could record how it ended.
  async #awaitEnd(): Promise<ExitStatus | undefined> {
    const end = await this.#monitor.ended;
    this.#over.abort(this.#ending());
    // What cannot be released now is released by the next launch, adoption or removal.
    await releaseRun(this.#spec, this.#mark).catch(() => undefined);
    return containerStatus(end?.status);
  }
}
