import { z } from "zod";
import { InterfaceNameSchema } from "../name.ts";
import { type Nic, type NicInput, NicSchema } from "./nic.ts";

/** Something attached to an instance; the `type` tells which. A new kind of device is one more member here. */
export type DeviceInput = NicInput;
/** {@link DeviceInput} as drivers read it. */
export type Device = Nic;
/** Reads {@link DeviceInput}. */
export const DeviceSchema = z.discriminatedUnion("type", [NicSchema]);

/** Devices by name. The name of a nic is that of its interface inside a container. */
export type DevicesInput = Readonly<Record<string, DeviceInput>>;
/** {@link DevicesInput} as drivers read it. */
export type Devices = Readonly<Record<string, Device>>;
/** Reads {@link DevicesInput}. */
export const DevicesSchema = z.record(InterfaceNameSchema, DeviceSchema);
