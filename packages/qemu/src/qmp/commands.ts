import { z } from "zod";

const Nothing = z.strictObject({});
const Done = z.object({});

/** qapi/run-state.json, RunState: an open string, because later versions add states. */
const StatusSchema = z.object({ status: z.string(), running: z.boolean() });

/**
 * The commands in use, by their QAPI names, with the schema of their arguments and of what they return. Another command
 * is one more line here; `QmpClient.call()` takes any.
 */
export const QMP_COMMANDS = {
  qmp_capabilities: { arguments: z.strictObject({ enable: z.array(z.string()).optional() }), return: Done },
  "query-version": {
    arguments: Nothing,
    return: z.object({ qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }) }),
  },
  "query-uuid": { arguments: Nothing, return: z.object({ UUID: z.string() }) },
  "query-name": { arguments: Nothing, return: z.object({ name: z.string().optional() }) },
  "query-status": { arguments: Nothing, return: StatusSchema },
  "query-kvm": { arguments: Nothing, return: z.object({ enabled: z.boolean(), present: z.boolean() }) },
  "query-cpus-fast": {
    arguments: Nothing,
    return: z.array(z.object({ "cpu-index": z.number(), "thread-id": z.number() })),
  },
  "query-hotpluggable-cpus": {
    arguments: Nothing,
    return: z.array(
      z.object({ type: z.string(), props: z.record(z.string(), z.number()), "qom-path": z.string().optional() }),
    ),
  },
  "query-block": { arguments: Nothing, return: z.array(z.object({ device: z.string(), locked: z.boolean() })) },
  // qapi/block-core.json: a disk that was given by -blockdev has no name of its own, and the path of its device instead.
  "query-blockstats": {
    arguments: Nothing,
    return: z.array(
      z.object({
        device: z.string().optional(),
        qdev: z.string().optional(),
        "node-name": z.string().optional(),
        stats: z.object({ rd_bytes: z.number(), wr_bytes: z.number() }),
      }),
    ),
  },
  "query-chardev": {
    arguments: Nothing,
    return: z.array(z.object({ label: z.string(), filename: z.string(), "frontend-open": z.boolean() })),
  },
  "query-commands": { arguments: Nothing, return: z.array(z.object({ name: z.string() })) },
  "qom-list": {
    arguments: z.strictObject({ path: z.string() }),
    return: z.array(z.object({ name: z.string(), type: z.string() })),
  },
  "qom-get": { arguments: z.strictObject({ path: z.string(), property: z.string() }), return: z.unknown() },
  "qom-set": {
    arguments: z.strictObject({ path: z.string(), property: z.string(), value: z.unknown() }),
    return: Done,
  },
  "query-memory-size-summary": {
    arguments: Nothing,
    return: z.object({ "base-memory": z.number(), "plugged-memory": z.number().optional() }),
  },
  device_add: { arguments: z.looseObject({ driver: z.string(), id: z.string() }), return: Done },
  stop: { arguments: Nothing, return: Done },
  cont: { arguments: Nothing, return: Done },
  quit: { arguments: Nothing, return: Done },
  system_powerdown: { arguments: Nothing, return: Done },
  system_reset: { arguments: Nothing, return: Done },
} as const satisfies Readonly<Record<string, { readonly arguments: z.ZodType; readonly return: z.ZodType }>>;

/** A command that the table knows; `QmpClient.call()` runs the others. */
export type QmpCommandName = keyof typeof QMP_COMMANDS;
/** The arguments of a command. */
export type QmpArguments<C extends QmpCommandName> = z.input<(typeof QMP_COMMANDS)[C]["arguments"]>;
/** What a command returns, once checked. */
export type QmpReturn<C extends QmpCommandName> = z.output<(typeof QMP_COMMANDS)[C]["return"]>;

/** The commands that can be called without arguments. */
export type QmpPlainCommandName = {
  [C in QmpCommandName]: Record<never, never> extends QmpArguments<C> ? C : never;
}[QmpCommandName];
