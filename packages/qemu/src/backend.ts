import { existsSync } from "node:fs";
import { join } from "node:path";
import { connectAgent } from "@pileus/agent";
import type { Abortable, ExitStatus, InstanceConfig, ProgressOptions } from "@pileus/core";
import { ConnectionError, isInstanceError, UnsupportedError } from "@pileus/core";
import type {
  Backend,
  BackendLaunchOptions,
  DriverContext,
  IdmapRequest,
  InstanceContext,
  Plan,
  PlannedRun,
  ProcessIdentity,
  Running,
  Spawn,
} from "@pileus/core/driver";
import { allOrNothing, connectUnix, readKeeperExit } from "@pileus/core/driver";
import type { AcceleratorChoice } from "./accelerator.ts";
import { AgentLink, type OpenSession } from "./agent-link.ts";
import { FIRST_PORTS } from "./argv/serial.ts";
import { type BootAssetSupply, hasInitramfs, type KernelSource } from "./boot-assets.ts";
import type { QemuCapability } from "./capability.ts";
import { assertInit } from "./disk/assert-init.ts";
import { baseDiskPath, ensureBaseDisk } from "./disk/base-disk.ts";
import { assertSelfContained } from "./disk/disk-image.ts";
import { createOverlay } from "./disk/overlay.ts";
import { readHostMemory } from "./host-memory.ts";
import { findKept, finishKept } from "./kept.ts";
import { launch } from "./launch.ts";
import type { Backing } from "./machine.ts";
import { machineTypeOf } from "./machine-type.ts";
import { machineIds, machineUser } from "./machine-user.ts";
import { connectMonitor, type MonitorOptions, removeMonitorClaims } from "./monitor.ts";
import { plan } from "./plan.ts";
import { plugAgentPort } from "./plug-port.ts";
import { claimPath, PortClaims, removeClaims } from "./port-claims.ts";
import { findQemu, killQemu } from "./qemu-process.ts";
import type { QmpClient } from "./qmp/index.ts";
import { type ReleaseSpec, releaseMachine } from "./release.ts";
import { planRoom, roomOf } from "./room.ts";
import { runFiles } from "./run-files.ts";
import { QemuRunning, type QemuRunningParts } from "./running.ts";
import { sectionOf } from "./section.ts";

export interface QemuBackendParts {
  readonly context: DriverContext;
  readonly spawn: Spawn;
  readonly accelerator: () => Promise<AcceleratorChoice>;
  readonly bootAssets: BootAssetSupply;
}

/** What the engine calls: see `Backend` of `@pileus/core/driver`. */
export class QemuBackend implements Backend<QemuCapability> {
  readonly #parts: QemuBackendParts;

  constructor(parts: QemuBackendParts) {
    this.#parts = parts;
  }

  plan(before: InstanceConfig | undefined, after: InstanceConfig, run?: PlannedRun): Plan {
    return plan(before, after, readHostMemory(), run);
  }

  idmap(config: InstanceConfig): IdmapRequest | undefined {
    return machineIds(config);
  }

  /**
   * Makes an overlay on the image's root disk, which is made with its first instance. For a disk image, makes it on
   * that disk.
   */
  async materialize(instance: InstanceContext, options: ProgressOptions): Promise<void> {
    const { spawn } = this.#parts;
    const { tree } = instance;
    const { machine, kernel } = sectionOf(instance.config);
    if (tree.kind === "disk" && machine === "microvm") throw new UnsupportedError(NO_FIRMWARE);
    if (tree.kind === "disk" && kernel !== "managed") throw new UnsupportedError(OWN_BOOT);
    await machineUser(instance);
    if (tree.kind === "disk") await assertSelfContained(tree, spawn, options);
    else await ensureBaseDisk({ ...this.#baseOf(instance), spawn, tree: () => tree.merged(options) }, options);
    await createOverlay(runFiles(instance).disk, this.#backingOf(instance), spawn, options);
    // An image without a kernel is refused now, and not at its first start.
    if (kernel === "image") await this.#parts.bootAssets.get(this.#kernelOf(instance), options);
  }

  async launch(instance: InstanceContext, options: BackendLaunchOptions): Promise<Running<QemuCapability>> {
    const { tree } = instance;
    if (tree.kind === "layers") assertInit(await tree.merged(options));
    const assets = tree.kind === "disk" ? undefined : this.#parts.bootAssets.get(this.#kernelOf(instance), options);
    const [accelerator, boot] = await Promise.all([this.#parts.accelerator(), assets]);
    const backing = this.#backingOf(instance);
    const room = planRoom(instance.config, { hasAgent: boot?.runtimeDrive !== undefined });
    await options.remember(room);
    return allOrNothing(async (undo) => {
      const { identity, qmp, kept } = await launch(
        this.#releaseSpec(instance),
        { accelerator, boot, backing, room },
        options,
      );
      undo(() => qmp.close());
      return this.#hold(instance, { identity, qmp, kept, room });
    });
  }

  async adopt(instance: InstanceContext, options: Abortable): Promise<Running<QemuCapability> | undefined> {
    const files = runFiles(instance);
    const identity = await findQemu(instance, options);
    if (identity === undefined) {
      await finishKept(instance.run, options);
      await releaseMachine(this.#releaseSpec(instance));
      return undefined;
    }
    return allOrNothing(async (undo) => {
      const claims = this.#releaseSpec(instance).releaseLock;
      const qmp = await findMonitor(files.monitors, { ...options, claims });
      undo(async () => qmp?.close());
      const answer = await qmp?.execute("query-uuid", {}, options);
      if (qmp !== undefined && answer?.UUID !== instance.uuid)
        throw new ConnectionError(qmp.peer, `another machine answers: ${answer?.UUID}`);
      const kept = await findKept({ instance, cgroup: this.#releaseSpec(instance).cgroup, identity }, options);
      return this.#hold(instance, { identity, qmp, kept, room: roomOf(instance.remembered) });
    });
  }

  async lastExit(instance: InstanceContext): Promise<ExitStatus | undefined> {
    const exit = await readKeeperExit(instance.run);
    return exit?.failed ? undefined : exit?.status;
  }

  /**
   * Kills what still runs. The overlay lies in the instance's folder. Only interfaces, and claims on the agent that a
   * crash left, lie outside of it.
   */
  async remove(instance: InstanceContext): Promise<void> {
    await killQemu(instance);
    await releaseMachine(this.#releaseSpec(instance));
    await removeMonitorClaims(this.#releaseSpec(instance).releaseLock, runFiles(instance).monitors.length);
    await removeClaims(this.#claims, instance.uuid);
  }

  #hold(instance: InstanceContext, held: Pick<QemuRunningParts, "identity" | "qmp" | "kept" | "room">): QemuRunning {
    const agent = this.#agentOf(instance, held.identity);
    return new QemuRunning({ ...this.#releaseSpec(instance), ...held, agent });
  }

  #agentOf(instance: InstanceContext, identity: ProcessIdentity): AgentLink | undefined {
    if (instance.tree.kind === "disk" || hasInitramfs(sectionOf(instance.config).kernel)) return undefined;
    const files = runFiles(instance);
    const sockets = servedSockets(files.agents);
    // Without a limit, because a guest may take long to boot: each caller that waits for the agent has its own
    // deadline.
    const open: OpenSession = ({ signal, port }) =>
      connectAgent({ signal, connect: () => connectUnix(sockets[port] ?? ""), timeout: Number.POSITIVE_INFINITY });
    const plug = (port: number) => plugAgentPort(files.portMonitor, port);
    const ports = { all: sockets.length, first: FIRST_PORTS, plug };
    return new AgentLink(open, new PortClaims(claimPath(this.#claims, instance.uuid, identity), ports));
  }

  // Claims and release locks are not in the instance's folder: a process that waits for a lock creates its file again,
  // and would do so while the folder is being removed.
  get #claims(): string {
    return join(this.#parts.context.folder, "agents");
  }

  #baseOf({ image, config }: InstanceContext) {
    return { folder: join(this.#parts.context.folder, "bases"), image, size: sectionOf(config).rootSize };
  }

  #backingOf(instance: InstanceContext): Backing {
    const { tree } = instance;
    if (tree.kind === "disk") return { path: tree.path, format: tree.format };
    return { path: baseDiskPath(this.#baseOf(instance)), format: "raw" };
  }

  #kernelOf(instance: InstanceContext): KernelSource {
    const { kernel, machine } = sectionOf(instance.config);
    if (kernel !== "image") return kernel;
    const { disk, boot } = runFiles(instance);
    const owner = `${instance.image.fingerprint} as the root disk of "${instance.name}"`;
    const type = machineTypeOf({ machine });
    return { disk: { path: disk, backing: this.#backingOf(instance).path, owner }, machine: type, folder: boot };
  }

  #releaseSpec(instance: InstanceContext): ReleaseSpec {
    const { folder, hostId } = this.#parts.context;
    return {
      instance,
      releaseLock: join(folder, "releases", `${instance.uuid}.lock`),
      cgroup: `pileus-${hostId}-${instance.key}.qemu`,
    };
  }
}

/** The sockets that a run has: one that an earlier release started has the first only. */
function servedSockets(sockets: readonly string[]): readonly string[] {
  return sockets.filter((path, number) => number === 0 || existsSync(path));
}

// A machine runs even if other clients hold its monitors, or none answers. Operations that need no monitor then work.
async function findMonitor(paths: readonly string[], options: MonitorOptions): Promise<QmpClient | undefined> {
  try {
    return await connectMonitor(paths, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isInstanceError(error)) return undefined;
    throw error;
  }
}

const OWN_BOOT = {
  capability: "qemu.kernel with a disk image",
  reason: "the firmware boots the kernel that the disk image has: leave qemu.kernel out",
};

const NO_FIRMWARE = {
  capability: "disk image on microvm",
  reason: "the firmware of a microvm cannot boot a disk: use q35",
};
