import { constants } from "node:os";
import { join } from "node:path";
import { type Abortable, type ExitStatus, ImageError, type InstanceConfig } from "@pileus/core";
import {
  type Backend,
  type BackendLaunchOptions,
  type DriverContext,
  type IdmapRequest,
  type InstanceContext,
  type Plan,
  type Running,
  readIfThere,
} from "@pileus/core/driver";
import { confinementOf, SYSTEM_DEFAULTS } from "./confinement-section.ts";
import { adoptContainer, launchContainer, type PrepareContainer } from "./container.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { containerIds, idmapRequest } from "./idmap.ts";
import { detectInit, type InitSystem, parseInitSystem, rememberedInit } from "./init-system.ts";
import { lastExit } from "./last-exit.ts";
import { writeNetworkFiles } from "./network-files.ts";
import { plan } from "./plan.ts";
import { refusals } from "./refusals.ts";
import { removeContainer } from "./release.ts";
import { makeRoot } from "./root.ts";
import { refusedProfile } from "./seccomp/refused-profile.ts";
import type { LxcSection } from "./section.ts";

/** What system containers can do. */
export type LxcCapability =
  | "exec"
  | "detached"
  | "files"
  | "freeze"
  | "network"
  | "metrics"
  | "logs"
  | "console"
  | "reboot";

/** Stands for the init until the root is open and the real one is known. */
const UNKNOWN_INIT: InitSystem = { argv: ["/sbin/init"], haltSignal: constants.signals.SIGPWR, kind: "other" };

/** System containers on the runtime of this package: the image's own init as PID 1, on a console that a keeper has. */
export class LxcBackend implements Backend<LxcCapability> {
  readonly #hostId: string;

  constructor(context: DriverContext) {
    this.#hostId = context.hostId;
  }

  plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
    const refused = refusedProfile("lxc", after["lxc"] as LxcSection | undefined, SYSTEM_DEFAULTS);
    return plan(before, after, [...refusals(after), ...refused]);
  }

  idmap(config: InstanceConfig): IdmapRequest | undefined {
    return idmapRequest(config);
  }

  async materialize(instance: InstanceContext, options: Abortable): Promise<void> {
    options.signal?.throwIfAborted();
    makeRoot(this.#container(instance));
  }

  async launch(instance: InstanceContext, options: BackendLaunchOptions): Promise<Running<LxcCapability>> {
    const prepare: PrepareContainer = async (files) => {
      const init = await detectInit(files, sectionOf(instance));
      await writeNetworkFiles(files, instance, options);
      await options.remember({ init });
      return this.#container(instance, init);
    };
    return await launchContainer(this.#container(instance), prepare, options);
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

  #container(instance: InstanceContext, init: InitSystem = UNKNOWN_INIT): ContainerSpec {
    const { key, name, config, tree } = instance;
    const { idmap, mappedOnDisk } = containerIds(instance);
    if (tree.kind !== "layers")
      throw new ImageError(instance.image.fingerprint, "a container needs a tree of files, not a disk");
    return {
      name: key,
      hostName: name,
      hostId: this.#hostId,
      root: { layers: tree.layers, mappedOnDisk, folder: join(instance.folder, "root") },
      idmap,
      init: { ...init, env: config.env },
      confinement: confinementOf(sectionOf(instance), SYSTEM_DEFAULTS),
      run: instance.run,
      log: instance.log,
      logBounds: config.log,
      output: { kind: "console" },
      nics: instance.nics,
      limits: config.limits,
      devices: config.devices,
      // systemd keeps a /run that is already mounted. A later mount would cause no event outside.
      tmpfs: init.kind === "systemd" ? [{ path: "/run" }] : [],
    };
  }
}

function sectionOf(instance: InstanceContext): LxcSection {
  return instance.config["lxc"] as LxcSection;
}

/** The init of the current run, if there is one. */
async function readInit(instance: InstanceContext): Promise<InitSystem> {
  const init = rememberedInit(instance.remembered);
  if (init !== undefined) return init;
  // An early release kept it in a file of its own.
  const text = await readIfThere(join(instance.run, "init.json"));
  // Without it, the launch did not get this far, and nothing runs.
  return (text === undefined ? undefined : parseInitSystem(text)) ?? UNKNOWN_INIT;
}
