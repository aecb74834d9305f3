import { z } from "zod";
import { InterfaceNameSchema } from "../name.ts";
import { objectAs } from "../wording.ts";
import { type Nic, type NicInput, NicSchema } from "./nic.ts";

/** A device of an instance; `type` says which. A new kind of device is one more member here. */
export type DeviceInput = NicInput;
/** {@link DeviceInput} as drivers read it. */
export type Device = Nic;
/** Reads {@link DeviceInput}. */
export const DeviceSchema = z.discriminatedUnion("type", [NicSchema]);

/** Devices by name. In a container the name of a nic is the name of its interface. */
export type DevicesInput = Readonly<Record<string, DeviceInput>>;
/** {@link DevicesInput} as drivers read it. */
export type Devices = Readonly<Record<string, Device>>;
/** Reads {@link DevicesInput}. */
export const DevicesSchema = z.record(
  InterfaceNameSchema,
  DeviceSchema,
  objectAs('{ eth0: { type: "nic", network: "net0" } }'),
);
