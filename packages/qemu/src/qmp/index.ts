/**
 * A typed client of QMP, the QEMU Machine Protocol. It can be used alone.
 *
 * `await using qmp = await QmpClient.connect("/run/vm/qmp.sock")`, then `qmp.execute("query-status")`. Commands and
 * events in the tables are typed and checked; `qmp.call()` and events named `other` carry the rest. This client does
 * not start QEMU: `qemu()` of `@pileus/qemu` does. Start reading at `client.ts`.
 */
export { QmpClient, type QmpOptions } from "./client.ts";
export { QMP_COMMANDS, type QmpArguments, type QmpCommandName, type QmpReturn } from "./commands.ts";
export { QmpBusyError, QmpCommandError } from "./errors.ts";
export { QMP_EVENTS, type QmpEvent, type QmpEventName, type QmpKnownEvent, type QmpOtherEvent } from "./events.ts";
export type { QmpGreeting } from "./message.ts";
