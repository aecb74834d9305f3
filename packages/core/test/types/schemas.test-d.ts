/** Each schema that callers get comes with its two types. Checked by `tsc -p tsconfig.test.json`; nothing here runs. */
import type { z } from "zod";
import type * as core from "../../src/index.ts";

type Schema = { readonly [K in keyof typeof core]: (typeof core)[K] extends z.ZodType ? K : never }[keyof typeof core];

/** Fails to compile unless it has all schemas of the package, each with what it reads and what it gives. */
export const pairs: { readonly [K in Schema]: (input: z.input<(typeof core)[K]>) => z.output<(typeof core)[K]> } = {
  ArchitectureSchema: (input: core.ArchitectureInput): core.Architecture => input,
  BytesSchema: (input: core.BytesInput): core.Bytes => Number(input),
  CommonConfigSchema: (input: core.CommonConfigInput): core.InstanceConfig => input as core.InstanceConfig,
  DeviceSchema: (input: core.DeviceInput): core.Device => input as core.Device,
  DevicesSchema: (input: core.DevicesInput): core.Devices => input as core.Devices,
  DiskSchema: (input: core.DiskInput): core.Disk => input as core.Disk,
  DigestSchema: (input: core.DigestInput): core.Digest => input,
  ImageSchema: (input: core.ImageInput): core.Image => input as core.Image,
  LayerSchema: (input: core.LayerInput): core.Layer => input,
  LimitsSchema: (input: core.LimitsInput): core.Limits => input as core.Limits,
  LogBoundsSchema: (input: core.LogBoundsInput): core.LogBounds => input as core.LogBounds,
  NetworkConfigSchema: (input: core.NetworkConfigInput): core.NetworkConfig => input as core.NetworkConfig,
  NicSchema: (input: core.NicInput): core.Nic => input as core.Nic,
  OciProcessSchema: (input: core.OciProcessInput): core.OciProcess => input as core.OciProcess,
};
