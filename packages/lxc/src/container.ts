import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Abortable, ConfigError, isInstanceError } from "@pileus/core";
import { allOrNothing, makeFolders, refusedArguments, waitForEnd } from "@pileus/core/driver";
import { loadProfile } from "./apparmor.ts";
import { containerConfig } from "./config/container-config.ts";
import { renderConfig } from "./config/render.ts";
import { ContainerRunning } from "./container-running.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { readHostFacts, requireCgroups } from "./host-facts.ts";
import { writeInitHelper } from "./init-helper.ts";
import { FINISH_TIME } from "./kill.ts";
import { findMonitor, type Monitor, monitors, startMonitor } from "./monitor.ts";
import { containerPaths } from "./paths.ts";
import { releaseContainer } from "./release.ts";

/**
 * Starts the container on its open root ({@link openRoot}). Resolves when PID 1's program runs. A failure or an abort
 * leaves no process and no mount.
 */
export async function launchContainer(spec: ContainerSpec, options: Abortable = {}): Promise<ContainerRunning> {
  const refused = refusedArguments(spec.init.argv, spec.init.env ?? {});
  if (refused.length > 0) throw new ConfigError("instance config", refused);
  return allOrNothing(async (undo) => {
    undo(() => releaseContainer(spec));
    const facts = readHostFacts();
    requireCgroups(facts.cgroups);
    await loadProfile(spec, facts.apparmor, options);
    const { config } = containerPaths(spec);
    makeFolders(dirname(config), 0o700);
    writeFileSync(config, renderConfig(containerConfig(spec, facts)), { mode: 0o600 });
    writeInitHelper(spec);
    const monitor = await startMonitor(spec, options);
    return new ContainerRunning(spec, facts, monitor);
  });
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
 * ends, after its last log line, or starts the next PID 1 of a reboot that its log does not show yet.
 */
async function findRunning(spec: ContainerSpec): Promise<Monitor | undefined> {
  for (const end = performance.now() + FINISH_TIME; ; ) {
    const monitor = await findMonitor(spec);
    if (monitor?.init.find() !== undefined || monitor?.init.isRebooting()) return monitor;
    monitor?.detach();
    const [finishing] = await monitors(spec);
    if (finishing === undefined || performance.now() > end) return undefined;
    await waitForEnd(finishing, { timeout: LOOK_INTERVAL }).catch((error) => {
      if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
    });
  }
}
