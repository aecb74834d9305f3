import type { z } from "zod";
import type { ExitStatusSchema, InstanceExitSchema } from "../model/exit.ts";

/**
 * Where an instance stands. Legal transitions are in {@link TRANSITIONS}; `docs/contract.md` draws them.
 *
 * `error` means that this process cannot tell how the instance is: the reason is in {@link InstanceInfo.error}, the
 * next verb asks the driver again, and `delete()` works. Another process that holds the instance need not see it.
 */
export type InstanceState = "stopped" | "starting" | "running" | "freezing" | "frozen" | "stopping" | "error";

/**
 * The legal transitions: the engine takes no step that is not here, and every `state` event of the process that acts is
 * one of these steps. An observer in another process sees where it has come to, and can miss steps between.
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
 * A signal by its name in signal(7). A real-time signal is counted from 34, whatever the C library: `SIGRTMIN+3` is 37.
 * One that this Node has no name for is told so, too.
 */
export type SignalName = NodeJS.Signals | "SIGRTMIN" | "SIGRTMAX" | `SIGRTMIN+${number}` | `SIGRTMAX-${number}`;

/**
 * How a program ended: a main process (`wait()`) or one of `exec()`.
 *
 * A shell's 128 + n is `exited`: only a program that the kernel ended by a signal is `signaled`.
 */
export type ExitStatus = Readonly<z.output<typeof ExitStatusSchema>>;

/**
 * Why and how an instance stopped the last time.
 *
 * `status` is absent where nobody could see it: a virtual machine has no exit code, and a main process that ended
 * while no host was open may leave none behind.
 */
export type InstanceExit = Readonly<z.output<typeof InstanceExitSchema>>;
