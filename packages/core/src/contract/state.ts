import type { z } from "zod";
import type { ExitStatusSchema, InstanceExitSchema } from "../model/exit.ts";

/**
 * The state of an instance. Legal transitions are in {@link TRANSITIONS}; `docs/contract.md` draws them.
 *
 * `error` means that this process cannot tell the state of the instance. The reason is in {@link InstanceInfo.error},
 * the next call asks the driver again, and `delete()` works. Other processes may still see another state.
 */
export type InstanceState = "stopped" | "starting" | "running" | "freezing" | "frozen" | "stopping" | "error";

/**
 * The legal transitions. The engine makes no other, and in the acting process every `state` event is one of them. An
 * observer in another process sees the state that was reached, and can miss the steps between.
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
 * `status` is absent when it is unknown: a virtual machine has no exit code, and the exit status of a main process may
 * be lost when it ended while no host was open.
 */
export type InstanceExit = Readonly<z.output<typeof InstanceExitSchema>>;
