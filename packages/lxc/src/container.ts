import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Abortable, isInstanceError } from "@pileus/core";
import { allOrNothing, waitForEnd } from "@pileus/core/driver";
import { containerConfig } from "./config/container-config.ts";
import { renderConfig } from "./config/render.ts";
import { ContainerRunning } from "./container-running.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { readHostFacts } from "./host-facts.ts";
import { writeInitHelper } from "./init-helper.ts";
import { FINISH } from "./kill.ts";
import { findMonitor, monitors, startMonitor } from "./monitor.ts";
import { containerPaths } from "./paths.ts";
import { releaseContainer } from "./release.ts";

/**
 * Starts the container on its open root ({@link openRoot}). Resolves when PID 1's program runs. A failure or an abort leaves nothing
 * running and nothing mounted.
 */
export async function launchContainer(spec: ContainerSpec, options: Abortable = {}): Promise<ContainerRunning> {
  return allOrNothing(async (undo) => {
    undo(() => releaseContainer(spec));
    const facts = readHostFacts();
    const { config } = containerPaths(spec);
    mkdirSync(dirname(config), { recursive: true, mode: 0o700 });
    writeFileSync(config, renderConfig(containerConfig(spec, facts)), { mode: 0o600 });
    writeInitHelper(spec);
    return new ContainerRunning(spec, facts, await startMonitor(facts.tools.start, spec, options));
  });
}

/** Finds the container running that another process launched; else cleans up after it, and returns `undefined`. */
export async function adoptContainer(spec: ContainerSpec): Promise<ContainerRunning | undefined> {
  const monitor = await findMonitor(spec);
  if (monitor?.init.find() !== undefined) return new ContainerRunning(spec, readHostFacts(), monitor);
  monitor?.detach();
  await letFinish(spec);
  await releaseContainer(spec);
  return undefined;
}

async function letFinish(spec: ContainerSpec): Promise<void> {
  for (const monitor of await monitors(spec)) {
    await waitForEnd(monitor, { timeout: FINISH }).catch((error) => {
      // Its last word is then not to be had: it is ended by force.
      if (!isInstanceError(error, "ERR_INSTANCE_TIMEOUT")) throw error;
    });
  }
}
