import type { z } from "zod";
import type { ExitStatusSchema, InstanceExitSchema } from "./exit.ts";

/**
 * The state of an instance. Legal transitions are in {@link TRANSITIONS}; `docs/contract.md` draws them.
 *
 * `error` means that this process cannot tell the state of the instance. The reason is in {@link InstanceInfo.error},
 * the next call asks the driver again, and `delete()` works. Other processes may still see another state.
 */
export type InstanceState = "stopped" | "starting" | "running" | "freezing" | "frozen" | "stopping" | "error";

/**
 * The legal transitions. The engine makes no other, and every `state` event is one of them, in every process, unless
 * events before it are missing.
 */
export const TRANSITIONS: Readonly<Record<InstanceState, readonly InstanceState[]>> = {
  stopped: ["starting"],
  starting: ["running", "stopped", "error"],
  running: ["freezing", "stopping", "stopped", "error"],
  freezing: ["frozen", "running", "stopped", "error"],
  frozen: ["running", "stopping", "stopped", "error"],
  stopping: ["stopped", "running", "frozen", "error"],
  error: ["running", "frozen", "stopped", "stopping"],
};

/**
 * A signal by its name in signal(7). `SIGRTMIN` is 34, whatever the C library says: `SIGRTMIN+3` is 37. Signals for
 * which Node has no name are spelled that way.
 */
export type SignalName = NodeJS.Signals | "SIGRTMIN" | "SIGRTMAX" | `SIGRTMIN+${number}` | `SIGRTMAX-${number}`;

/**
 * How a program ended: the main process (`wait()`), or a program of `exec()`.
 *
 * A shell's exit code 128 + n is `exited`; only a program that the kernel ended by a signal is `signaled`.
 */
export type ExitStatus = Readonly<z.output<typeof ExitStatusSchema>>;

/**
 * Why and how an instance last stopped.
 *
 * `status` is that of the main process; of a virtual machine that of QEMU, which exits with 0 when the guest is switched
 * off. It is absent when it is unknown: nobody could wait for that process.
 */
export type InstanceExit = Readonly<z.output<typeof InstanceExitSchema>>;
