/** Milliseconds that a driver has to undo a step that is given up, before the engine stops waiting for it. */
export const UNDO_GRACE = 1000;

/** Milliseconds that an instance has to end after a kill. */
export const END_TIMEOUT = 60_000;

const SHORT = 30_000;
const MINUTE = 60_000;

/**
 * How long the engine waits for each step of a driver or of the networks, in milliseconds: far longer than the step
 * takes on a busy machine. `docs/contract.md` has the same table. A step that is not here has the deadline of its call:
 * `ready`, `reboot` and `shutdown`.
 */
const STEP_TIMEOUTS: Readonly<Record<string, number>> = {
  materialize: 10 * MINUTE,
  launch: 2 * MINUTE,
  adopt: MINUTE,
  lastExit: SHORT,
  remove: 5 * MINUTE,
  console: MINUTE,
  freeze: MINUTE,
  update: MINUTE,
  unfreeze: MINUTE,
  isFrozen: SHORT,
  kill: SHORT,
  detach: SHORT,
  "kill of a program": SHORT,
  resize: SHORT,
  ranOutOfMemory: SHORT,
  // All ports of a machine's agent may be in use for two minutes: see `CanExec`.
  exec: 3 * MINUTE,
  "detached.start": 3 * MINUTE,
  "detached.list": MINUTE,
  "detached.open": MINUTE,
  "detached.output": MINUTE,
  addresses: 3 * MINUTE,
  metrics: 3 * MINUTE,
  "networks.bringUp": 2 * MINUTE,
  "networks.rename": MINUTE,
  "networks.release": MINUTE,
  // Of large trees.
  "files.remove": 30 * MINUTE,
};

/** How long the engine waits for a step. */
export function stepTimeout(step: string): number {
  return STEP_TIMEOUTS[step] ?? (step.startsWith("files.") ? 3 * MINUTE : Number.POSITIVE_INFINITY);
}
