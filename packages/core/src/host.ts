import { resolve } from "node:path";
import type { AnyDriver } from "./contract/backend.ts";
import type { InstanceEvent, WatchOptions } from "./contract/events.ts";
import type {
  CreateOptions,
  DoctorReport,
  EphemeralOptions,
  Host,
  ListOptions,
  OpenHostOptions,
  SweepOptions,
} from "./contract/host.ts";
import type { Images } from "./contract/images.ts";
import type { InstanceInfo } from "./contract/instance.ts";
import type { Networks } from "./contract/networks.ts";
import { followAll } from "./engine/adopt/follow-run.ts";
import type { EventTap } from "./engine/events/events.ts";
import type { Engine } from "./engine/instance/engine.ts";
import { detach } from "./engine/opening/dispose.ts";
import { examine } from "./engine/opening/doctor.ts";
import { parseHostOptions } from "./engine/opening/host-options.ts";
import { instancesWithoutIds, unreachableInstances } from "./engine/opening/instance-issues.ts";
import { type EngineParts, openEngine } from "./engine/opening/open-engine.ts";
import { type Recovery, recover } from "./engine/opening/recover.ts";
import { watchInstances } from "./engine/opening/watch-instances.ts";
import { ephemeral } from "./engine/public/ephemeral.ts";
import { InstanceHandle } from "./engine/public/handle.ts";
import { imagesWhileOpen, nameOf, networksWhileOpen, plainVerb, verbWhileOpen } from "./engine/public/while-open.ts";
import { labelOf } from "./engine/record/names.ts";
import { stuckRenames } from "./engine/record/settle.ts";
import { Layout } from "./engine/root/layout.ts";
import { create } from "./engine/verbs/create.ts";
import { find } from "./engine/verbs/find.ts";
import { list } from "./engine/verbs/list.ts";
import { sweep } from "./engine/verbs/sweep.ts";
import { NotFoundError } from "./errors/all.ts";
import type { Abortable } from "./flow/abortable.ts";
import { unlimitedController, withDeadline } from "./flow/deadline.ts";
import { openImageStore } from "./images/store.ts";
import { parse } from "./model/parse.ts";
import { GetOptionsSchema } from "./model/verb-options.ts";
import { openNetworks } from "./network/networks.ts";
import { probeNetwork } from "./network/probe.ts";
import { sweepNetworkLocks } from "./network/sweep.ts";
import { ffi } from "./system/ffi.ts";
import { hostFailure } from "./system/host-failure.ts";
import { assertNode } from "./system/node-only.ts";

/** How long `doctor()` waits for the clearing of what a crash left, in milliseconds. */
const RECOVERY_TIMEOUT = 5000;

const PARTS: EngineParts = {
  openImages: openImageStore,
  openNetworks: async (options) => {
    await sweepNetworkLocks(options.folder);
    return openNetworks(options);
  },
  probeNetworks: probeNetwork,
};

/**
 * Opens the root folder that holds all state. The host can be used at once, whatever state its instances are in: it
 * clears what a crash left in the background, and adopts what runs when a call first needs it.
 *
 * @throws {ConfigError} before anything is touched, for invalid options; also when two drivers have the same name, a
 * driver's name is not valid, or `root` cannot be a folder.
 * @throws {HostError} when this user may not write to the root folder, when the runtime is not Node (Bun and Deno are
 * refused), or when the native module of koffi cannot be loaded.
 */
export function openHost<const D extends AnyDriver>(options: OpenHostOptions<D>): Promise<Host<D>> {
  return openHostWith(options, PARTS);
}

/** As {@link openHost}, with given implementations of images and networks. */
export async function openHostWith<const D extends AnyDriver>(
  options: OpenHostOptions<D>,
  parts: EngineParts,
): Promise<Host<D>> {
  const { signal, drivers, root } = parseHostOptions(options);
  signal?.throwIfAborted();
  const action = `open the host at ${resolve(root)}`;
  assertNode(action, process.versions);
  ffi();
  const closing = unlimitedController();
  const layout = new Layout(resolve(root));
  try {
    const engine = await openEngine(layout, drivers, parts, { signal, closing: closing.signal });
    try {
      watchInstances(engine);
      const recovery = recover(engine);
      signal?.throwIfAborted();
      // The class implements at run time what the overloads of the interface say in types.
      return new OpenHost(engine, closing, recovery, parts.probeNetworks) as unknown as Host<D>;
    } catch (error) {
      await detach(engine, closing);
      throw error;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw hostFailure(action, error);
  }
}

class OpenHost {
  readonly root: string;
  readonly images: Images;
  readonly networks: Networks;
  readonly #engine: Engine;
  readonly #tap: EventTap;
  readonly #closing: AbortController;
  readonly #recovery: Recovery;
  readonly #probeNetworks: EngineParts["probeNetworks"];
  #disposed: Promise<void> | undefined;

  constructor(
    engine: Engine,
    closing: AbortController,
    recovery: Recovery,
    probeNetworks: EngineParts["probeNetworks"],
  ) {
    this.root = engine.layout.root;
    this.images = imagesWhileOpen(engine);
    this.networks = networksWhileOpen(engine);
    this.#engine = engine;
    this.#closing = closing;
    this.#recovery = recovery;
    this.#probeNetworks = probeNetworks;
    this.#tap = engine.events.tap();
  }

  create(config: unknown, options?: CreateOptions): Promise<InstanceHandle> {
    return this.#verb("create an instance", options, async (linked) => {
      return new InstanceHandle(await create(this.#engine, config, linked));
    });
  }

  get(name: string, options?: Abortable & { readonly driver?: string | undefined }): Promise<InstanceHandle> {
    return this.#verb("find an instance", options, async (linked) => {
      parse(GetOptionsSchema, linked, "options of get");
      const instance = await find(this.#engine, nameOf("instance", name), linked);
      if (linked.driver !== undefined && linked.driver !== instance.driverName) {
        const hint = `its driver is "${instance.driverName}", not "${linked.driver}"`;
        throw new NotFoundError("instance", name, { hint });
      }
      return new InstanceHandle(instance);
    });
  }

  list(options?: ListOptions): Promise<readonly InstanceInfo[]> {
    return this.#verb("list instances", options, (linked) => list(this.#engine, linked));
  }

  ephemeral(config: unknown, options?: EphemeralOptions): Promise<InstanceHandle> {
    return this.#verb("create an instance", options, (linked) => ephemeral(this.#engine, config, linked));
  }

  sweep(options?: SweepOptions): Promise<readonly string[]> {
    return this.#verb("sweep instances", options, (linked) => sweep(this.#engine, linked));
  }

  watch(options?: WatchOptions): AsyncIterable<InstanceEvent> {
    this.#engine.closing.throwIfAborted();
    const events = this.#tap.watch(options);
    followAll(this.#engine);
    return events;
  }

  doctor(options?: Abortable): Promise<DoctorReport> {
    return plainVerb(this.#engine, "examine the host", options, async (linked) => {
      linked.signal?.throwIfAborted();
      await this.#untilRecovered(linked);
      const images = await this.#engine.images.issues();
      const recovery = [
        ...this.#recovery.issues(),
        ...stuckRenames(this.#engine),
        ...unreachableInstances(this.#engine),
        ...(await instancesWithoutIds(this.#engine)),
      ];
      const ofInstances = [
        ...recovery,
        ...[...this.#engine.lifetimes.failures].map(([instance, reason]) => ({
          instance,
          reason: `its lifetime has ended, but it could not be stopped: ${reason}`,
        })),
      ].map(async ({ instance, reason }) => ({
        name: `instance "${await labelOf(this.#engine, instance)}"`,
        value: reason,
      }));
      const issues = [
        ...(await Promise.all(ofInstances)),
        ...this.#engine.events.issues.map((value) => ({ name: "journal", value })),
        ...images.map(({ image, reason }) => ({ name: `image ${image}`, value: reason })),
      ];
      const networks = (probing: Abortable) => this.#examineNetworks(probing);
      return examine(this.root, issues, [...this.#engine.drivers.values()], networks, linked);
    });
  }

  /** Waits until what a crash left is cleared, but not for a driver that does not answer. */
  async #untilRecovered({ signal }: Abortable): Promise<void> {
    const limits = { action: "clearing what a crash left", timeout: RECOVERY_TIMEOUT, signal };
    await withDeadline(limits, () => this.#recovery.done).catch(() => signal?.throwIfAborted());
  }

  async #examineNetworks(options: Abortable): ReturnType<EngineParts["probeNetworks"]> {
    const [report, issues] = await Promise.all([this.#probeNetworks(options), this.#engine.networks.issues()]);
    const facts = issues.map(({ network, reason }) => ({ name: `network "${network}"`, value: reason }));
    return { ...report, facts: [...report.facts, ...facts] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= detach(this.#engine, this.#closing);
    return this.#disposed;
  }

  #verb<O extends Abortable, T>(action: string, options: O | undefined, call: (linked: O) => Promise<T>): Promise<T> {
    return verbWhileOpen(this.#engine, action, options, call);
  }
}
