import { renderOption } from "./option.ts";

/** Lets QEMU use a descriptor that it inherits under the name {@link setOf}. qemu(1), "-add-fd". */
export function addDescriptor(descriptor: number): string[] {
  return ["-add-fd", renderOption(undefined, { fd: descriptor, set: descriptor })];
}

/** The name of a descriptor that was added. */
export function setOf(descriptor: number): string {
  return `/dev/fdset/${descriptor}`;
}
