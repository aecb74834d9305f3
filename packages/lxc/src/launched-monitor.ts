import { closeSync } from "node:fs";
import { type Abortable, Deadline } from "@pileus/core";
import { identifyHolder, type LaunchedKeeper, launchKeeper, readCgroupLayout } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";
import { STARTER } from "./helpers.ts";
import { listenForInit } from "./init-helper.ts";
import { keeperOrder } from "./keeper-order.ts";
import { type Boots, foldersOf, Monitor } from "./monitor.ts";
import { startFailure } from "./start-failure.ts";

/** The time limit of a start until PID 1 is there, in milliseconds. It takes tens of milliseconds. */
const START_TIME = 60_000;

/**
 * A run whose keeper and starter come up while this process opens the root and writes the configuration. Nothing of the
 * container is made before {@link begin}, and nothing ever is if this process ends first, or calls {@link giveUp}.
 */
export class LaunchedMonitor {
  readonly #boots: Boots = { listener: () => undefined };
  readonly #keeper: Promise<LaunchedKeeper>;
  #spec: ContainerSpec;

  /**
   * Of `spec` it takes only what is known before the root is open: not its PID 1, and not the owner of its output. Needs
   * the folder of `makeInitFolder()`.
   */
  constructor(spec: ContainerSpec, options: Abortable) {
    this.#spec = spec;
    this.#keeper = this.#launch(options);
    // `begin` tells.
    this.#keeper.catch(() => undefined);
  }

  /** Starts PID 1. Resolves when it runs: its program was executed. Needs the configuration in place. */
  async begin(spec: ContainerSpec, { signal }: Abortable): Promise<Monitor> {
    this.#spec = spec;
    const { hostName, output } = spec;
    const owner = output.kind === "pipes" ? output.owner : undefined;
    const launched = await this.#keeper;
    using deadline = new Deadline({ action: `the start of container "${hostName}"`, timeout: START_TIME, signal });
    const keeper = await launched.begin({ owner, signal: deadline.signal });
    return new Monitor(spec, await identifyHolder(keeper), keeper, this.#boots);
  }

  /** Ends the keeper and the starter, before {@link begin} or after it has failed. */
  async giveUp(): Promise<void> {
    const launched = await this.#keeper.catch(() => undefined);
    launched?.[Symbol.dispose]();
  }

  async #launch(options: Abortable): Promise<LaunchedKeeper> {
    const announce = listenForInit(this.#spec);
    try {
      return await launchKeeper(foldersOf(this.#spec), keeperOrder(this.#spec, readCgroupLayout()), {
        ...options,
        starter: { program: STARTER.descriptor(), announce, waits: true },
        events: { started: () => this.#boots.listener() },
        startError: (failure) => startFailure(this.#spec, failure),
      });
    } finally {
      closeSync(announce);
    }
  }
}
