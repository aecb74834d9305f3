import { z } from "zod";
import { InterfaceNameSchema, LOOPBACK, NameSchema } from "../name.ts";
import { recordOf } from "../record-of.ts";
import { objectAs } from "../wording.ts";
import { type Disk, type DiskInput, DiskSchema } from "./disk.ts";
import { type Nic, type NicInput, NicSchema } from "./nic.ts";

/**
 * A device of an instance; `type` says which. A new kind of device is one more member here. A nic without the filter has
 * no `egress`.
 */
export type DeviceInput = (NicInput & FilterOrNoPolicy) | DiskInput;
/** {@link DeviceInput} as drivers read it. */
export type Device = (Nic & FilterOrNoPolicy) | Disk;
type FilterOrNoPolicy = { readonly filter?: true | undefined } | { readonly egress?: undefined };
const KINDS = z.discriminatedUnion("type", [NicSchema, DiskSchema]);
/** Reads {@link DeviceInput}. */
export const DeviceSchema = KINDS as unknown as z.ZodType<Device, DeviceInput>;

/** Whether this release has devices of that type. A record may have others, of a later release. */
export function isDeviceType(type: string): boolean {
  return KINDS.options.some(({ shape }) => shape.type.value === type);
}

/** Devices by name. In a container the name of a nic is the name of its interface. */
export type DevicesInput = Readonly<Record<string, DeviceInput>>;
/** {@link DevicesInput} as drivers read it. */
export type Devices = Readonly<Record<string, Device>>;

/** A name for any device. */
const DeviceNameSchema = z.union([InterfaceNameSchema, NameSchema], {
  error: "the name of a device must be a label of 1 to 63 of a-z, 0-9 and -, or the name of an interface",
});
const NicNameSchema = InterfaceNameSchema.refine((name) => name !== "lo", LOOPBACK);

/** What is wrong with devices that are right by themselves: two of them want the same path. Pure. */
export function clashes(devices: Devices): readonly { readonly path: readonly string[]; readonly message: string }[] {
  const taken = new Map<string, string>();
  return Object.entries(devices).flatMap(([name, device]) => {
    if (device.type !== "disk") return [];
    const other = taken.get(device.path);
    taken.set(device.path, name);
    if (other === undefined) return [];
    return [{ path: [name, "path"], message: `the device "${other}" has this path already: choose another` }];
  });
}

/** Reads {@link DevicesInput}. */
export const DevicesSchema = recordOf(
  DeviceNameSchema,
  DeviceSchema,
  objectAs('{ eth0: { type: "nic", network: "net0" } }'),
).superRefine((devices, issues) => {
  for (const [name, { type }] of Object.entries(devices)) {
    const { error } = type === "nic" ? NicNameSchema.safeParse(name) : {};
    for (const { message } of error?.issues ?? []) issues.addIssue({ code: "custom", path: [name], message });
  }
  for (const { path, message } of clashes(devices)) issues.addIssue({ code: "custom", path: [...path], message });
}) as unknown as z.ZodType<Devices, DevicesInput>;
