import { isAbsolute } from "node:path";
import { type BytesInput, BytesSchema } from "@pileus/core";
import { type Frozen, type Holds, HostPathSchema, type Same } from "@pileus/core/driver";
import { z } from "zod";
import { MAX_SLOTS } from "./argv/bus.ts";
import { MAX_CPUS } from "./argv/cpu.ts";
import type { HostKernel } from "./kernel/kernel.ts";
import { VERSIONED } from "./machine-type.ts";

const MIB = 2 ** 20;

/** The section `qemu` of an instance's configuration, as a caller writes it. */
export interface QemuSectionInput {
  /**
   * `q35` (default): a PC with PCI. It stays the version that QEMU had at the first start of the instance, so that the guest
   * sees the same hardware after an upgrade of QEMU; `pc-q35-7.2` and the like choose another. `microvm`: no PCI, fewer
   * devices, starts sooner, uses more processor time while idle; nothing can be plugged while it runs.
   */
  readonly machine?: "q35" | "microvm" | `pc-q35-${string}` | undefined;
  /**
   * The size of the root file system, in bytes or as in `"8GiB"`. Only what is written takes up space. Fixed at create.
   * Default 4 GiB.
   */
  readonly rootSize?: BytesInput | undefined;
  /**
   * A model of `qemu-system-x86_64 -cpu help`, with flags. Default: the host's model under KVM, else everything that
   * QEMU emulates.
   */
  readonly cpuModel?: string | undefined;
  /**
   * The kernel that the machine boots, looked for at each start.
   *
   * - `"managed"` (default): that of `qemu({ kernel })`, else the distribution's kernel for virtual machines, which the
   *   driver downloads.
   * - `"image"`: the newest kernel in the machine's own `/boot` that has its modules in `/lib/modules`. After an upgrade
   *   inside, a stop and a start boot the new one; a reboot of the guest does not.
   * - An object: a kernel of the host. Its `modules` are only needed if virtio, ext4 and squashfs are not built in. An
   *   `initramfs` of your own boots in place of ours: it finds its root by `root=LABEL=root`, and the guest has no agent,
   *   so `can("exec")` is false and it configures its nics itself.
   *
   * A disk image boots its own kernel: leave this out.
   *
   * @example { kernel: "/boot/vmlinuz-6.12.9", modules: "/lib/modules/6.12.9" }
   */
  readonly kernel?: "managed" | "image" | HostKernel | undefined;
  /**
   * The account of the host that QEMU runs as, by name. Default: an id that no other machine has. `"root"` gives a guest
   * that breaks out of QEMU all rights on the host. Where this process is not root, QEMU runs as its user.
   */
  readonly user?: string | undefined;
  /**
   * How much memory `update()` can give to a q35 while it runs, at most 512 GiB, as bytes or as `"4GiB"`. Default: four times what it
   * starts with, or all that the host has if that is less. The host sets nothing aside for it.
   */
  readonly maxMemory?: BytesInput | undefined;
  /**
   * How many processors `update()` can give to a q35 while it runs, at most 255. Default 4. Each takes about 300 KiB of the
   * guest's memory, also while it is not there.
   */
  readonly maxCpus?: number | undefined;
  /**
   * How many devices can be plugged while a q35 runs, 0 to 32. Default 4. Each is a PCIe root port, and lets the guest take
   * one hundredth longer to boot without KVM.
   */
  readonly slots?: number | undefined;
}

/** {@link QemuSectionInput} as the driver reads it, with its defaults. */
export interface QemuSection extends QemuSectionInput {
  readonly machine: "q35" | "microvm" | `pc-q35-${string}`;
  readonly rootSize: number;
  readonly maxMemory?: number | undefined;
  readonly kernel: "managed" | "image" | HostKernel;
}

declare module "@pileus/core" {
  interface DriverSections {
    /** The configuration that only a QEMU machine has. */
    qemu: QemuSectionInput;
  }
}

/** The path is kept in a record, which processes with other working directories read. */
const AbsolutePathSchema = HostPathSchema.refine(isAbsolute, "must be an absolute path");

/** A processor that QEMU emulates addresses 1 TiB by default (`phys-bits`), and what is plugged lies above the rest. */
const MAX_MEMORY = 512 * 1024 * MIB;

const isVersioned = (value: unknown) => typeof value === "string" && VERSIONED.test(value);

const BOARDS = 'must be "q35" or "microvm", or a version of q35 as in "pc-q35-7.2"';

const schema = z.strictObject({
  machine: z
    .union([z.enum(["q35", "microvm"], BOARDS), z.custom<`pc-q35-${string}`>(isVersioned, BOARDS)])
    .default("q35"),
  rootSize: BytesSchema.refine((bytes) => bytes >= 16 * MIB, "a root disk has at least 16MiB").default(4096 * MIB),
  kernel: z
    .union([
      z
        .strictObject({
          kernel: AbsolutePathSchema,
          modules: AbsolutePathSchema.optional(),
          initramfs: AbsolutePathSchema.optional(),
        })
        .refine(({ modules, initramfs }) => !modules || !initramfs, {
          message: "goes into our initramfs: leave it out beside an initramfs of your own",
          path: ["modules"],
        }),
      z.enum(["managed", "image"], 'must be "managed", "image", or { kernel, modules } with paths of the host'),
    ])
    .default("managed"),
  cpuModel: z
    .string()
    .regex(/^[A-Za-z0-9_.+,=-]{1,255}$/, "a processor model is letters, digits and _ . + , = -")
    .optional(),
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, "an account of this host is letters, digits and _ . -")
    .optional(),
  maxMemory: BytesSchema.refine((bytes) => bytes <= MAX_MEMORY, "at most 512GiB").optional(),
  maxCpus: z.int().positive().max(MAX_CPUS).optional(),
  slots: z.int().min(0).max(MAX_SLOTS).optional(),
});
type _QemuSection = Holds<Same<QemuSection, Frozen<z.output<typeof schema>>>>;
type _QemuSectionInput = Holds<Same<QemuSectionInput, Frozen<z.input<typeof schema>>>>;

/** Reads {@link QemuSectionInput}. */
export const QemuSectionSchema: z.ZodType<QemuSection, QemuSectionInput | undefined> = schema.prefault({});

/** The section of an instance, or what stands for one that is left out. */
export function sectionOf(config: { readonly [key: string]: unknown }): QemuSection {
  return QemuSectionSchema.parse(config["qemu"]);
}
