import { z } from "zod";
import { InterfaceNameSchema } from "../name.ts";
import { NicSchema } from "./nic.ts";

/** Something attached to an instance; the `type` tells which. A new kind of device is one more member here. */
export const DeviceSchema = z.discriminatedUnion("type", [NicSchema]);
export type Device = z.output<typeof DeviceSchema>;
export type DeviceInput = z.input<typeof DeviceSchema>;

/** Devices by name. The name of a nic is that of its interface inside a container. */
export const DevicesSchema = z.record(InterfaceNameSchema, DeviceSchema);
export type Devices = z.output<typeof DevicesSchema>;
export type DevicesInput = z.input<typeof DevicesSchema>;
