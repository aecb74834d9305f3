import { rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type Abortable, type ExitStatus, ImageError, type InstanceConfig, type LogStream } from "@pileus/core";
import {
  type Backend,
  type DriverContext,
  type IdmapRequest,
  type InstanceContext,
  type Plan,
  type Running,
  readIfThere,
} from "@pileus/core/driver";
import { confinementOf, SYSTEM_DEFAULTS } from "./confinement-section.ts";
import { adoptContainer, launchContainer } from "./container.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { containerIds, idmapRequest } from "./idmap.ts";
import { detectInit, type InitSystem, parseInitSystem } from "./init-system.ts";
import { lastExit } from "./last-exit.ts";
import { consoleFiles, containerLog } from "./log.ts";
import { writeNetworkFiles } from "./network-files.ts";
import { plan } from "./plan.ts";
import { refusals } from "./refusals.ts";
import { removeContainer } from "./release.ts";
import { makeRoot, openRoot } from "./root.ts";
import type { LxcSection } from "./section.ts";

/** What system containers can do. */
export type LxcCapability = "exec" | "files" | "freeze" | "network" | "metrics" | "logs" | "reboot";

/** Stands for the init until the root is open and the real one is known. */
const UNKNOWN_INIT: InitSystem = { argv: ["/sbin/init"], haltSignal: constants.signals.SIGPWR, kind: "other" };

/** System containers on the runtime of this package: the image's own init as PID 1, its console in a file. */
export class LxcBackend implements Backend<LxcCapability> {
  readonly #hostId: string;

  constructor(context: DriverContext) {
    this.#hostId = context.hostId;
  }

  plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
    return plan(before, after, refusals(after));
  }

  idmap(config: InstanceConfig): IdmapRequest | undefined {
    return idmapRequest(config);
  }

  async materialize(instance: InstanceContext, options: Abortable): Promise<void> {
    options.signal?.throwIfAborted();
    makeRoot(this.#container(instance));
  }

  async launch(instance: InstanceContext, options: Abortable): Promise<Running<LxcCapability>> {
    const container = this.#container(instance);
    const { files } = await openRoot(container, options);
    const init = await detectInit(files, sectionOf(instance));
    await writeNetworkFiles(files, instance, options);
    writeFileSync(initFile(instance), JSON.stringify(init), { mode: 0o600 });
    for (const file of consoleFiles(consoleFile(instance))) rmSync(file, { force: true });
    return await launchContainer(this.#container(instance, init), options);
  }

  async adopt(instance: InstanceContext): Promise<Running<LxcCapability> | undefined> {
    return await adoptContainer(this.#container(instance, await readInit(instance)));
  }

  lastExit(instance: InstanceContext): Promise<ExitStatus | undefined> {
    return lastExit(this.#container(instance));
  }

  async remove(instance: InstanceContext): Promise<void> {
    await removeContainer(this.#container(instance));
  }

  logs(instance: InstanceContext, stream: LogStream, options: Abortable): Promise<Readable> {
    return containerLog(this.#container(instance), stream, options);
  }

  #container(instance: InstanceContext, init: InitSystem = UNKNOWN_INIT): ContainerSpec {
    const { name, config, tree } = instance;
    const { idmap, mappedOnDisk } = containerIds(instance);
    if (tree.kind !== "layers")
      throw new ImageError(instance.image.fingerprint, "a container needs a tree of files, not a disk");
    return {
      name,
      hostId: this.#hostId,
      root: { layers: tree.layers, mappedOnDisk, folder: join(instance.folder, "root") },
      idmap,
      init: { ...init, env: config.env },
      confinement: confinementOf(sectionOf(instance), SYSTEM_DEFAULTS),
      run: instance.run,
      output: { kind: "console", file: consoleFile(instance) },
      nics: instance.nics,
      limits: config.limits,
      // systemd keeps a /run that is already mounted. A later mount would cause no event outside.
      tmpfs: init.kind === "systemd" ? [{ path: "/run" }] : [],
    };
  }
}

function sectionOf(instance: InstanceContext): LxcSection {
  return instance.config["lxc"] as LxcSection;
}

function consoleFile(instance: InstanceContext): string {
  return join(instance.log, "console.log");
}

function initFile(instance: InstanceContext): string {
  return join(instance.run, "init.json");
}

/** Reads the init of the current run, if there is one. */
async function readInit(instance: InstanceContext): Promise<InitSystem> {
  const text = await readIfThere(initFile(instance));
  // Without the file, the launch did not get this far, and nothing runs.
  return (text === undefined ? undefined : parseInitSystem(text)) ?? UNKNOWN_INIT;
}
