import { release } from "node:os";
import { expect, it } from "vitest";
import { canMountOverlay } from "../../src/system/overlay.ts";

const MODULES = `/lib/modules/${release()}/modules.dep`;
const DISABLED = "/proc/sys/kernel/modules_disabled";

it.each([
  ["the kernel has it", { "/proc/filesystems": "nodev\tproc\nnodev\toverlay\n" }, true],
  ["it is a module", { [MODULES]: "kernel/a.ko:\nkernel/fs/overlayfs/overlay.ko: kernel/b.ko\n" }, true],
  ["it is a compressed module", { [MODULES]: "kernel/fs/overlayfs/overlay.ko.xz:\n" }, true],
  ["no more modules are loaded", { [MODULES]: "kernel/fs/overlayfs/overlay.ko:\n", [DISABLED]: "1\n" }, false],
  ["another module has such a name", { [MODULES]: "kernel/fs/notoverlay.ko: kernel/fs/overlay.ko\n" }, false],
  ["nothing is there", {}, false],
])("overlayfs can or cannot be mounted where %s", (_where, files: Record<string, string>, can) => {
  expect(canMountOverlay((path) => files[path])).toBe(can);
});
