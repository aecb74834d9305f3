import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Abortable, ConfigError, isInstanceError } from "@pileus/core";
import { allOrNothing, type FileOperations, makeFolders, refusedArguments, waitForEnd } from "@pileus/core/driver";
import { loadProfile } from "./apparmor.ts";
import { containerConfig } from "./config/container-config.ts";
import { renderConfig } from "./config/render.ts";
import { ContainerRunning } from "./container-running.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { mountDisks } from "./disks.ts";
import { refusedVariables } from "./environment.ts";
import { readHostFacts, requireCgroups } from "./host-facts.ts";
import { makeInitFolder, writeInitHelper } from "./init-helper.ts";
import { FINISH_TIME } from "./kill.ts";
import { LaunchedMonitor } from "./launched-monitor.ts";
import { findMonitor, type Monitor, monitors } from "./monitor.ts";
import { containerPaths } from "./paths.ts";
import { releaseContainer } from "./release.ts";
import { makeMountPoint, openRoot } from "./root.ts";

/**
 * What is known of a container only when its root is open: its PID 1, and the owner of its output. The rest is as before.
 */
export type PrepareContainer = (files: FileOperations) => Promise<ContainerSpec>;

/**
 * Opens the root, has `prepare` look into it and write what belongs there, and starts the container. Resolves when PID 1's
 * program runs. A failure or an abort leaves no process and no mount.
 */
export async function launchContainer(
  spec: ContainerSpec,
  prepare: PrepareContainer,
  options: Abortable = {},
): Promise<ContainerRunning> {
  return allOrNothing(async (undo) => {
    // After an abort the engine looks for what is left: a step of this launch may end when the next one runs already.
    undo(() => (options.signal?.aborted ? undefined : releaseContainer(spec)));
    const facts = readHostFacts();
    requireCgroups(facts.cgroups);
    makeMountPoint(spec);
    makeInitFolder(spec);
    const launched = new LaunchedMonitor(spec, options);
    undo(() => launched.giveUp());
    const { files } = await openRoot(spec, options);
    options.signal?.throwIfAborted();
    const whole = await prepare(files);
    options.signal?.throwIfAborted();
    assertStartable(whole);
    await mountDisks(whole);
    await loadProfile(whole, facts.apparmor, options);
    const { config } = containerPaths(whole);
    makeFolders(dirname(config), 0o700);
    writeFileSync(config, renderConfig(containerConfig(whole, facts)), { mode: 0o600 });
    writeInitHelper(whole);
    return new ContainerRunning(whole, facts, await launched.begin(whole, options));
  });
}

/** @throws {ConfigError} for what no program can get */
function assertStartable({ init: { argv, env = {} } }: ContainerSpec): void {
  const refused = [...refusedArguments(argv, env), ...refusedVariables(env)];
  if (refused.length > 0) throw new ConfigError("instance config", refused);
}

/** How often to check whether a monitor without a PID 1 has started one, in milliseconds. */
const LOOK_INTERVAL = 50;

/**
 * Finds a running container that another process launched. If it does not run, cleans up after it and returns
 * `undefined`.
 */
export async function adoptContainer(spec: ContainerSpec): Promise<ContainerRunning | undefined> {
  const monitor = await findRunning(spec);
  if (monitor !== undefined) return new ContainerRunning(spec, readHostFacts(), monitor);
  await releaseContainer(spec);
  return undefined;
}

/**
 * Finds a monitor with a PID 1, or one that is rebooting. A monitor without a PID 1 gets time to finish: it either
 * ends, or starts the next PID 1 of a reboot that its keeper has not told yet.
 */
async function findRunning(spec: ContainerSpec): Promise<Monitor | undefined> {
  for (const end = performance.now() + FINISH_TIME; ; ) {
    const monitor = await findMonitor(spec);
    // A launch was cut short before it began.
    if (monitor?.isWaiting) {
      monitor.detach();
      return undefined;
    }
    if (monitor?.init.find() !== undefined || monitor?.init.isRebooting()) return monitor;
    monitor?.detach();
    const [finishing] = await monitors(spec);
    if (finishing === undefined || performance.now() > end) return undefined;
    await waitForEnd(finishing, { timeout: LOOK_INTERVAL }).catch((error) => {
      if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
    });
  }
}
