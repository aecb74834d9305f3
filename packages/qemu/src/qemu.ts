import { join } from "node:path";
import { buildRuntimeDrive } from "@pileus/agent";
import type { Abortable } from "@pileus/core";
import { type Driver, HostPathSchema, parse, type Spawn, spawn } from "@pileus/core/driver";
import { z } from "zod";
import { type AcceleratorChoice, chooseAccelerator } from "./accelerator.ts";
import { QemuBackend } from "./backend.ts";
import { BootAssetSupply } from "./boot-assets.ts";
import type { QemuCapability } from "./capability.ts";
import type { GuestKernel } from "./kernel/kernel.ts";
import { KernelSupply } from "./kernel/supply.ts";
import { probe } from "./probe.ts";
import { QemuSectionSchema } from "./section.ts";

/** Options of `qemu()`. Without any, the driver uses what the host and its distribution have. */
export interface QemuOptions {
  /**
   * The kernel of every guest whose section `qemu` names no other. Default: the distribution's kernel for virtual
   * machines, downloaded by apt when first needed.
   */
  readonly kernel?: GuestKernel | undefined;
  /**
   * A folder in which `qemu/` keeps kernel, initramfs and runtime drive: hosts can share one. Default: the host's own.
   */
  readonly cache?: string | undefined;
  /**
   * The path of the Node binary that runs the agent in guests. Default: the one that runs this process. It must be
   * dynamically linked, for this host's processor, and 20.19 or later.
   */
  readonly node?: string | undefined;
  /** Runs the tools of the host; for tests. */
  readonly spawn?: Spawn | undefined;
}

const OptionsSchema = z.strictObject({
  kernel: z.strictObject({ kernel: HostPathSchema, modules: HostPathSchema.optional() }).optional(),
  cache: HostPathSchema.optional(),
  node: HostPathSchema.optional(),
  spawn: z.custom<Spawn>((value) => typeof value === "function", "must be a function").optional(),
} satisfies Readonly<Record<keyof QemuOptions, z.ZodType>>);

const CAPABILITIES: ReadonlySet<QemuCapability> = new Set([
  "exec",
  "detached",
  "files",
  "freeze",
  "network",
  "metrics",
  "logs",
  "console",
  "reboot",
]);

/** The type of {@link qemu}. An editor shows it by this name. */
export interface QemuDriver extends Driver<"qemu", QemuCapability, typeof QemuSectionSchema> {}

/**
 * The driver of virtual machines: `openHost({ drivers: [qemu()] })`. Creates no file and starts no process by itself.
 *
 * @throws {ConfigError} if an option is invalid.
 */
export function qemu(given: QemuOptions = {}): QemuDriver {
  const options = parse(OptionsSchema, given, "options of qemu()");
  const { node } = options;
  const run = options.spawn ?? spawn;
  const shared = options.cache === undefined ? undefined : join(options.cache, "qemu");
  // The folder that `doctor()` looks into. It does not tell hosts apart: of several, it takes the one that was opened
  // last.
  let latest = shared;
  const kernel = new KernelSupply({ given: options.kernel, spawn: run });
  let choice: Promise<AcceleratorChoice> | undefined;
  // Found out once: the result does not change while the kernel runs, and the trial takes time.
  const accelerator = () => {
    if (choice === undefined) {
      choice = chooseAccelerator(run);
      // A failure is not remembered: the next attempt may succeed.
      choice.catch(() => {
        choice = undefined;
      });
    }
    return choice;
  };
  return {
    name: "qemu",
    kind: "virtual-machine",
    capabilities: CAPABILITIES,
    section: QemuSectionSchema,
    accepts: ["rootfs", "disk"],
    probe: ({ signal } = {}) => probe({ spawn: run, kernel, node, cache: latest, accelerator, signal }),
    open(context) {
      const folder = shared ?? join(context.folder, "cache");
      latest = folder;
      const runtimeDrive = ({ signal }: Abortable) => buildRuntimeDrive({ folder, node, signal });
      const bootAssets = new BootAssetSupply({ cache: folder, kernel, runtimeDrive, spawn: run });
      return new QemuBackend({ context, spawn: run, accelerator, bootAssets });
    },
  };
}
