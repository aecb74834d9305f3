import { release } from "node:os";
import { readIfThereSync } from "./read-if-there.ts";

/** What {@link canMountOverlay} reads: the text of a file of the host, or `undefined` if it does not exist. */
export type ReadHostFile = (path: string) => string | undefined;

/**
 * Whether the kernel can mount overlayfs: it has it, or has it as a module that mount(2) would load. A stock Debian has
 * not loaded it after its boot.
 */
export function canMountOverlay(read: ReadHostFile = readIfThereSync): boolean {
  if (/\toverlay$/m.test(read("/proc/filesystems") ?? "")) return true;
  if (read("/proc/sys/kernel/modules_disabled")?.trim() === "1") return false;
  const modules = read(`/lib/modules/${release()}/modules.dep`) ?? "";
  return /(^|\/)overlay\.ko(\.\w+)?:/m.test(modules);
}
