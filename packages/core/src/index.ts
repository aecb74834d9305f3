/**
 * The contract of Pileus and the host that serves it.
 *
 * For callers: open a host with `openHost({ root, drivers })`, then create, start and use instances through it.
 * Not for authors of drivers, who begin at `@pileus/core/driver`, nor for their tests (`@pileus/core/testing`).
 * Start reading at `contract/instance.ts`. Durations are milliseconds and sizes are bytes, everywhere.
 */
export type { Abortable, Progress, ProgressOptions, Timed } from "./contract/abortable.ts";
