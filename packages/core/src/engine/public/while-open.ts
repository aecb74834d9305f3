import type { Readable } from "node:stream";
import { z } from "zod";
import type { InstanceFiles } from "../../contract/files.ts";
import type { Images } from "../../contract/images.ts";
import type { Networks } from "../../contract/networks.ts";
import { ConnectionError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, abortableWithin, type LinkedSignal, linkSignals } from "../../flow/deadline.ts";
import { AbortableSchema, abortableSchema } from "../../model/call-options.ts";
import { CALL_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { required } from "../../model/wording.ts";
import { hostFailure } from "../../system/host-failure.ts";
import { printable } from "../../text/printable.ts";
import { type Shared, track } from "../instance/shared.ts";

/** Milliseconds that a call has to undo what an abort cut short; after that it rejects, and undoing goes on. */
const GRACE = 1000;

const OptionsSchema = abortableSchema("{ signal }");
/** For callers that pass an encoding, as to `readFile()` of Node. */
const ReadOptionsSchema = abortableSchema("files.readText(path) for text");

/**
 * Wraps every call of the public interface. A call is refused once the host is disposed, and ends at once when the host
 * is disposed meanwhile. An abort ends it within a second. Disposing the host waits for what the call still does then.
 * `schema` checks `options`, or only the part that this function uses when `call` checks the rest: see
 * {@link abortableSchema}. `what` names the call in the error of one that the disposal ends.
 */
export async function whileOpen<O extends Abortable, T>(
  engine: Shared,
  options: O | undefined,
  call: (linked: O) => Promise<T>,
  schema: z.ZodType = OptionsSchema,
  what = "a call",
): Promise<T> {
  const linked = link(engine, options, schema);
  const work = async () => {
    try {
      return await call({ ...(options as O), signal: linked.signal });
    } finally {
      linked[Symbol.dispose]();
    }
  };
  return untilClosed(engine, options, work(), what);
}

/** As {@link whileOpen}, for a stream, which ends when the host is disposed. */
export async function streamWhileOpen<O extends Abortable, S extends Readable>(
  engine: Shared,
  options: O | undefined,
  call: (linked: O) => Promise<S>,
  schema: z.ZodType = OptionsSchema,
): Promise<S> {
  const linked = link(engine, options, schema);
  const work = async () => {
    try {
      const stream = await call({ ...(options as O), signal: linked.signal });
      // A reader sees the failure; an owner that does not read must not crash when the host is disposed.
      stream.on("error", () => undefined);
      stream.once("close", () => linked[Symbol.dispose]());
      return stream;
    } catch (error) {
      linked[Symbol.dispose]();
      throw error;
    }
  };
  return untilClosed(engine, options, work());
}

/** As {@link whileOpen}, for an iterable, which ends when the host is disposed. */
function iterableWhileOpen<O extends Abortable, T>(
  engine: Shared,
  options: O | undefined,
  call: (linked: O) => AsyncIterable<T>,
): AsyncIterable<T> {
  engine.closing.throwIfAborted();
  return {
    async *[Symbol.asyncIterator]() {
      using linked = link(engine, options);
      try {
        yield* call({ ...(options as O), signal: linked.signal });
      } catch (error) {
        // Whatever the abort made fail.
        options?.signal?.throwIfAborted();
        engine.closing.throwIfAborted();
        throw error;
      }
    },
  };
}

/** As {@link whileOpen}, for calls that use no file or stream of the caller: see {@link hostFailure}. */
export function verbWhileOpen<O extends Abortable, T>(
  engine: Shared,
  action: string,
  options: O | undefined,
  call: (linked: O) => Promise<T>,
  schema: z.ZodType = OptionsSchema,
): Promise<T> {
  const work = async (linked: O) => {
    try {
      return await call(linked);
    } catch (error) {
      throw hostFailure(action, error);
    }
  };
  return whileOpen(engine, options, work, schema, `the call to ${action}`);
}

/** As {@link verbWhileOpen}, for a call that takes nothing but a signal. */
export function plainVerb<T>(
  engine: Shared,
  action: string,
  options: Abortable | undefined,
  call: (linked: Abortable) => Promise<T>,
): Promise<T> {
  return verbWhileOpen(engine, action, options, call, AbortableSchema);
}

async function untilClosed<T>(
  engine: Shared,
  options: Abortable | undefined,
  work: Promise<T>,
  what = "a call",
): Promise<T> {
  try {
    return await abortable(abortableWithin(track(engine, work), options?.signal, GRACE), engine.closing);
  } catch (error) {
    // Whatever the abort made fail.
    options?.signal?.throwIfAborted();
    throw error === engine.closing.reason ? disposedBefore(what, error) : error;
  }
}

/**
 * The error of a call that was under way when its host was disposed. A caller that forgot to await the call sees only
 * this error: it ends the process before the caller's own failure is reported.
 */
function disposedBefore(what: string, error: unknown): unknown {
  if (!(error instanceof ConnectionError)) return error;
  const why = `it was disposed before ${what} had ended: is an await missing in front of the call?`;
  return new ConnectionError(error.peer, why, { cause: error });
}

function link(
  engine: Shared,
  options: Abortable | undefined,
  schema: z.ZodType = OptionsSchema,
): Omit<LinkedSignal, "abort"> {
  engine.closing.throwIfAborted();
  if (options !== undefined) parse(schema, options, "options", CALL_HABITS);
  options?.signal?.throwIfAborted();
  if (options?.signal === undefined) return { signal: engine.closing, [Symbol.dispose]: () => undefined };
  return linkSignals(options.signal, engine.closing);
}

/** The public interface of the images. */
export function imagesWhileOpen(engine: Shared): Images {
  const { images } = engine;
  return {
    import: (source, options) =>
      verbWhileOpen(engine, `import ${named("image", source)}`, options, (linked) => images.import(source, linked)),
    get: (reference, options) =>
      plainVerb(engine, `find ${named("image", reference)}`, options, (linked) =>
        images.get(nameOf("image", reference), linked),
      ),
    list: (options) => plainVerb(engine, "list the images", options, (linked) => images.list(linked)),
    delete: (reference, options) =>
      plainVerb(engine, `delete ${named("image", reference)}`, options, (linked) =>
        images.delete(nameOf("image", reference), linked),
      ),
  };
}

/** The public interface of the networks. */
export function networksWhileOpen(engine: Shared): Networks {
  const { networks } = engine;
  return {
    create: (config, options) =>
      plainVerb(engine, `create ${named("network", config?.name)}`, options, (linked) =>
        networks.create(config, linked),
      ),
    get: (name, options) =>
      plainVerb(engine, `find ${named("network", name)}`, options, (linked) =>
        networks.get(nameOf("network", name), linked),
      ),
    list: (options) => plainVerb(engine, "list the networks", options, (linked) => networks.list(linked)),
    delete: (name, options) =>
      plainVerb(engine, `delete ${named("network", name)}`, options, (linked) =>
        networks.delete(nameOf("network", name), linked),
      ),
  };
}

/** The name that a caller gave. A string that is not a legal name finds nothing. @throws {ConfigError} for no string */
export function nameOf(kind: "instance" | "image" | "network" | "device", name: unknown): string {
  return parse(z.string(required(`give the name of the ${kind}`)), name, `name of the ${kind}`);
}

/** Also for callers without types. */
function named(kind: "image" | "network", name: unknown): string {
  return typeof name === "string" ? `${kind} "${printable(name, 200)}"` : `the ${kind}`;
}

/** The public interface of the files of an instance. */
export function filesWhileOpen(engine: Shared, files: InstanceFiles): InstanceFiles {
  return {
    read: (path, options) => streamWhileOpen(engine, options, (linked) => files.read(path, linked), ReadOptionsSchema),
    readAll: (path, options) => whileOpen(engine, options, (linked) => files.readAll(path, linked), ReadOptionsSchema),
    readText: (path, options) => whileOpen(engine, options, (linked) => files.readText(path, linked)),
    writeText: (path, text, options) => whileOpen(engine, options, (linked) => files.writeText(path, text, linked)),
    exists: (path, options) => whileOpen(engine, options, (linked) => files.exists(path, linked)),
    write: (path, data, options) => whileOpen(engine, options, (linked) => files.write(path, data, linked)),
    stat: (path, options) => whileOpen(engine, options, (linked) => files.stat(path, linked)),
    list: (path, options) => iterableWhileOpen(engine, options, (linked) => files.list(path, linked)),
    listAll: (path, options) => whileOpen(engine, options, (linked) => files.listAll(path, linked)),
    mkdir: (path, options) => whileOpen(engine, options, (linked) => files.mkdir(path, linked)),
    remove: (path, options) => whileOpen(engine, options, (linked) => files.remove(path, linked)),
    push: (source, path, options) => whileOpen(engine, options, (linked) => files.push(source, path, linked)),
    pull: (path, target, options) => whileOpen(engine, options, (linked) => files.pull(path, target, linked)),
  };
}
