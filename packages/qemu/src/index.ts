/**
 * Virtual machines: a driver over QEMU, controlled by QMP, with the agent of `@pileus/agent` in the guest.
 *
 * `openHost({ drivers: [qemu()] })` is all that a caller needs. Guests boot from the same root file system images as
 * system containers, with a kernel that is downloaded but not installed. A disk image is booted by its firmware, and
 * has no agent. `@pileus/qemu/qmp` is the QMP client alone. Start reading at `qemu.ts`, then `backend.ts`.
 */
export type { Accelerator, MachineType } from "./argv/machine-spec.ts";
export type { QemuCapability } from "./capability.ts";
export { type DebianKernelOptions, ensureDebianKernel } from "./kernel/debian.ts";
export type { GuestKernel, HostKernel } from "./kernel/kernel.ts";
export { type QemuDriver, type QemuOptions, qemu } from "./qemu.ts";
export { type QemuSection, type QemuSectionInput, QemuSectionSchema } from "./section.ts";
