import type { Abortable } from "../contract/abortable.ts";
import type { Images } from "../contract/images.ts";
import type { Networks } from "../contract/networks.ts";
import { linkSignals } from "../driver/deadline.ts";
import { type Engine, track } from "./engine.ts";

/** The images as callers have them: a call ends with the host, whose disposal waits for it. */
export function imagesWhileOpen(engine: Engine): Images {
  const { images } = engine;
  return {
    import: (source, options) => whileOpen(engine, options, (linked) => images.import(source, linked)),
    get: (reference, options) => whileOpen(engine, options, (linked) => images.get(reference, linked)),
    list: (options) => whileOpen(engine, options, (linked) => images.list(linked)),
    delete: (reference, options) => whileOpen(engine, options, (linked) => images.delete(reference, linked)),
  };
}

/** As {@link imagesWhileOpen}, of the networks. */
export function networksWhileOpen(engine: Engine): Networks {
  const { networks } = engine;
  return {
    create: (config, options) => whileOpen(engine, options, (linked) => networks.create(config, linked)),
    get: (name, options) => whileOpen(engine, options, (linked) => networks.get(name, linked)),
    list: (options) => whileOpen(engine, options, (linked) => networks.list(linked)),
    delete: (name, options) => whileOpen(engine, options, (linked) => networks.delete(name, linked)),
  };
}

async function whileOpen<O extends Abortable, T>(
  engine: Engine,
  options: O | undefined,
  call: (linked: O & Abortable) => Promise<T>,
): Promise<T> {
  engine.closing.throwIfAborted();
  const linked = linkSignals(options?.signal, engine.closing);
  try {
    return await track(engine, call({ ...(options as O), signal: linked.signal }));
  } finally {
    linked[Symbol.dispose]();
  }
}
