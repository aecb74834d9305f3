import { BytesSchema } from "@pileus/core";
import { z } from "zod";

const MIB = 2 ** 20;

/** The section `qemu` of an instance's configuration. */
export const QemuSectionSchema = z
  .strictObject({
    /** `q35`: a PC with PCI. `microvm`: no PCI, fewer devices, starts sooner, idles at more of a processor. */
    machine: z.enum(["q35", "microvm"]).default("q35"),
    /** The size of the root file system, of which only what is written takes up space. Fixed at create. Default 4 GiB. */
    rootSize: BytesSchema.refine((bytes) => bytes >= 16 * MIB, "a root disk has at least 16MiB").default(4096 * MIB),
    /** A model of `qemu-system-x86_64 -cpu help`, with flags. Default: the host's under KVM, else all that is emulated. */
    cpuModel: z
      .string()
      .regex(/^[A-Za-z0-9_.+,=-]{1,255}$/, "a processor model is letters, digits and _ . + , = -")
      .optional(),
  })
  .prefault({});
/** The section as the driver reads it, with its defaults. */
export type QemuSection = z.output<typeof QemuSectionSchema>;
/** The section as a caller writes it. */
export type QemuSectionInput = z.input<typeof QemuSectionSchema>;
