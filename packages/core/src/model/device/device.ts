import { z } from "zod";
import { InterfaceNameSchema, LOOPBACK } from "../name.ts";
import { recordOf } from "../record-of.ts";
import { objectAs } from "../wording.ts";
import { type Nic, type NicInput, NicSchema } from "./nic.ts";

/**
 * A device of an instance; `type` says which. A new kind of device is one more member here. A nic without the filter has
 * no `egress`.
 */
export type DeviceInput = NicInput & FilterOrNoPolicy;
/** {@link DeviceInput} as drivers read it. */
export type Device = Nic & FilterOrNoPolicy;
type FilterOrNoPolicy = { readonly filter?: true | undefined } | { readonly egress?: undefined };
const KINDS = z.discriminatedUnion("type", [NicSchema]);
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
/** Reads {@link DevicesInput}. */
export const DevicesSchema = recordOf(
  InterfaceNameSchema.refine((name) => name !== "lo", LOOPBACK),
  DeviceSchema,
  objectAs('{ eth0: { type: "nic", network: "net0" } }'),
) as unknown as z.ZodType<Devices, DevicesInput>;
