import { Readable, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import type { PipeProcess, RunOptions, RunResult } from "../../contract/process.ts";
import { abortable, Deadline } from "../../driver/deadline.ts";
import { parse } from "../../model/parse.ts";
import { RunSchema } from "../../model/verb-options.ts";
import { ByteCollector } from "../../system/byte-collector.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { exec } from "./exec.ts";

/**
 * Runs a program to its end and collects what it printed. Whatever cuts it short, the program is dead when this
 * rejects.
 */
export async function runProgram(
  instance: ManagedInstance,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { timeout, maxOutput } = parse(RunSchema, { ...options, argv }, "run");
  const deadline = new Deadline({ action: `${argv[0]} in "${instance.name}"`, timeout, signal: options.signal });
  try {
    const { env, cwd, user } = options;
    const process = (await exec(instance, argv, { env, cwd, user, signal: deadline.signal })) as PipeProcess;
    try {
      return await abortable(collect(process, options.stdin, maxOutput), deadline.signal);
    } finally {
      await process[Symbol.asyncDispose]();
    }
  } finally {
    deadline[Symbol.dispose]();
  }
}

async function collect(process: PipeProcess, stdin: RunOptions["stdin"], limit: number): Promise<RunResult> {
  const overflow = () => process.kill("SIGKILL");
  const [stdout, stderr, exit] = await Promise.all([
    collectText(process.stdout, limit, overflow),
    collectText(process.stderr, limit, overflow),
    process.exit,
    // A program that has ended reads no more, whether its driver says so on the stream or not.
    Promise.race([feed(process.stdin, stdin), process.exit]),
  ]);
  return { stdout, stderr, exit };
}

async function feed(stdin: Writable, data: RunOptions["stdin"]): Promise<void> {
  try {
    if (data === undefined || typeof data === "string" || data instanceof Uint8Array) {
      stdin.end(data);
      await finished(stdin, { readable: false });
    } else await pipeline(Readable.from(data), stdin);
  } catch (error) {
    // A program may end, or close its input, without having read it all.
    if (!isClosedPipe(error)) throw error;
  }
}

function isClosedPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

async function collectText(stream: Readable, limit: number, overflow: () => Promise<void>): Promise<string> {
  const collected = new ByteCollector();
  let over = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const room = limit - collected.size;
    collected.append(chunk.subarray(0, room));
    if (over || chunk.length <= room) continue;
    over = true;
    await overflow();
  }
  return collected.bytes().toString("utf8");
}
