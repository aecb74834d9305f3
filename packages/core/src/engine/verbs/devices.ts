import type { DetachOptions } from "../../contract/change.ts";
import { AlreadyExistsError, ConfigError, NotFoundError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { given } from "../../model/wording.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { CHANGE } from "./changed-config.ts";
import { update } from "./update.ts";

/** Adds a device under a name that no device has. */
export async function attachDevice(
  instance: ManagedInstance,
  name: string,
  device: unknown,
  options: Abortable = {},
): Promise<void> {
  if (device === null || device === undefined) {
    const message = `must be an object, ${given(device)}: detachDevice() takes a device away`;
    throw new ConfigError(CHANGE, [{ path: ["devices", name], message }]);
  }
  const check = ({ devices }: { readonly devices: object }) => {
    const hint = "choose another name, detach that one first, or change it by update()";
    if (Object.hasOwn(devices, name)) throw new AlreadyExistsError("device", name, { hint });
  };
  await update(instance, { devices: { [name]: device } }, { ...options, check });
}

/** Takes a device away. */
export async function detachDevice(
  instance: ManagedInstance,
  name: string,
  { signal, force }: DetachOptions = {},
): Promise<void> {
  const check = ({ devices }: { readonly devices: object }) => {
    const names = Object.keys(devices);
    const hint = names.length === 0 ? "the instance has no devices" : `the instance has ${names.join(", ")}`;
    if (!names.includes(name)) throw new NotFoundError("device", name, { hint });
  };
  await update(instance, { devices: { [name]: null } }, { signal, force, check });
}
