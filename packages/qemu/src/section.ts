import { type BytesInput, BytesSchema } from "@pileus/core";
import type { Frozen, Holds, Same } from "@pileus/core/driver";
import { z } from "zod";

const MIB = 2 ** 20;

/** The section `qemu` of an instance's configuration, as a caller writes it. */
export interface QemuSectionInput {
  /**
   * `q35` (default): a PC with PCI. `microvm`: no PCI, fewer devices, starts sooner, uses more processor time while
   * idle.
   */
  readonly machine?: "q35" | "microvm" | undefined;
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
   * The account of the host that QEMU runs as, by name. Default: an id that no other machine has. `"root"` gives a guest
   * that breaks out of QEMU all rights on the host. Where this process is not root, QEMU runs as its user.
   */
  readonly user?: string | undefined;
}

/** {@link QemuSectionInput} as the driver reads it, with its defaults. */
export interface QemuSection extends QemuSectionInput {
  readonly machine: "q35" | "microvm";
  readonly rootSize: number;
}

declare module "@pileus/core" {
  interface DriverSections {
    /** The configuration that only a QEMU machine has. */
    qemu: QemuSectionInput;
  }
}

const schema = z.strictObject({
  machine: z.enum(["q35", "microvm"]).default("q35"),
  rootSize: BytesSchema.refine((bytes) => bytes >= 16 * MIB, "a root disk has at least 16MiB").default(4096 * MIB),
  cpuModel: z
    .string()
    .regex(/^[A-Za-z0-9_.+,=-]{1,255}$/, "a processor model is letters, digits and _ . + , = -")
    .optional(),
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, "an account of this host is letters, digits and _ . -")
    .optional(),
});
type _QemuSection = Holds<Same<QemuSection, Frozen<z.output<typeof schema>>>>;
type _QemuSectionInput = Holds<Same<QemuSectionInput, Frozen<z.input<typeof schema>>>>;

/** Reads {@link QemuSectionInput}. */
export const QemuSectionSchema: z.ZodType<QemuSection, QemuSectionInput | undefined> = schema.prefault({});
