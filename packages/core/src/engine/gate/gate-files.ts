import type { Readable } from "node:stream";
import type { FileOperations } from "../../contract/files.ts";
import type { Abortable } from "../../flow/abortable.ts";
import * as answers from "./answers.ts";
import { ask, type Question, type Target } from "./ask.ts";
import { destroy, destroyReceiver } from "./late.ts";

/** Wraps the files of a run in checks. */
export function gateFiles(target: Target, over: AbortSignal, files: FileOperations): FileOperations {
  const question = <T>(
    step: string,
    { signal }: Abortable,
    isAnswer: Question<T>["isAnswer"],
    discard: (late: T) => void,
  ): Question<T> => ({ target, step: `files.${step}`, signal, over, isAnswer, discard });
  const nothing = () => undefined;
  const { owner } = files;
  return {
    read: (path, options) =>
      endingWith(
        options.signal,
        ask(question("read", options, answers.isReadable, destroy), () => files.read(path, options)),
      ),
    write: (path, options) =>
      ask(question("write", options, answers.isReceiver, destroyReceiver), () => files.write(path, options)),
    stat: (path, options) =>
      ask(question("stat", options, answers.isFileStat, nothing), (limited) =>
        files.stat(path, { ...options, ...limited }),
      ),
    ...(owner && {
      owner: (options) =>
        ask(question("owner", options, answers.isOwner, nothing), (limited) =>
          owner.call(files, { ...options, ...limited }),
        ),
    }),
    list: (path, options) =>
      endingWith(
        options.signal,
        ask(question("list", options, answers.isReadable, destroy), () => files.list(path, options)),
      ),
    mkdir: (path, options) =>
      ask(question("mkdir", options, answers.isAnything, nothing), (limited) =>
        files.mkdir(path, { ...options, ...limited }),
      ),
    remove: (path, options) =>
      ask(question("remove", options, answers.isAnything, nothing), (limited) =>
        files.remove(path, { ...options, ...limited }),
      ),
    readTree: (path, options) =>
      endingWith(
        options.signal,
        ask(question("readTree", options, answers.isReadable, destroy), () => files.readTree(path, options)),
      ),
    writeTree: (path, options) =>
      ask(question("writeTree", options, answers.isReceiver, destroyReceiver), () => files.writeTree(path, options)),
  };
}

/** Makes a stream end with `signal.reason` when the signal aborts, whether the driver obeys the signal or not. */
async function endingWith(signal: AbortSignal | undefined, opening: Promise<Readable>): Promise<Readable> {
  const stream = await opening;
  if (signal === undefined) return stream;
  const end = () => stream.destroy(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", end));
  if (signal.aborted) end();
  return stream;
}
