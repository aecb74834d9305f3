import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import type { AnyDriver } from "../../contract/backend.ts";
import type { Capability } from "../../contract/capability.ts";
import type { ConfigChange } from "../../contract/change.ts";
import type { Host } from "../../contract/host.ts";
import type { HangStep } from "../hanging.ts";
import { collect, Transcript, within } from "./expect.ts";
import type { AnyInstance, Fixture } from "./fixture.ts";
import { endProcess, startProcess } from "./process.ts";
import type { DriverSubject } from "./subject.ts";

/** What the other host can do with an instance on request. */
const DEEDS = {
  start: (instance: AnyInstance) => instance.start(),
  stop: (instance: AnyInstance) => instance.stop({ mode: "kill" }),
  freeze: (instance: AnyInstance) => instance.freeze(),
  restart: (instance: AnyInstance) => instance.restart({ mode: "kill" }),
  rename: (instance: AnyInstance, name: string) => instance.rename(name),
  update: (instance: AnyInstance, change: ConfigChange) => instance.update(change),
  delete: (instance: AnyInstance) => instance.delete(),
  inspect: (instance: AnyInstance) => instance.inspect(),
  history: (instance: AnyInstance, since: string, count: number) => {
    let left = count;
    return collect(instance.watch({ since }), () => {
      left -= 1;
      return left === 0;
    });
  },
  processes: (instance: AnyInstance) => instance.processes(),
  /** Reads what a detached program has printed, ends it, and waits for its end. */
  endDetached: async (instance: AnyInstance, id: string) => {
    await using attached = await instance.attach(id);
    const pieces: Buffer[] = [];
    for await (const { data } of attached.output) {
      pieces.push(data);
      await attached.kill();
    }
    return { output: Buffer.concat(pieces).toString(), exit: await attached.exit };
  },
  can: async (instance: AnyInstance, capability: Capability) => instance.can(capability),
  ready: (instance: AnyInstance, timeout: number) => instance.ready({ timeout }),
  run: async (instance: AnyInstance, argv: readonly string[]) => (await instance.run(argv)).stdout,
  write: async (instance: AnyInstance, path: string, content: string) => {
    await instance.files.write(path, content);
  },
  read: (instance: AnyInstance, path: string) => instance.files.readText(path),
  metrics: (instance: AnyInstance) => instance.metrics(),
  /** Starts a program that prints a first line and stays. Returns that line. */
  hold: async (instance: AnyInstance, argv: readonly string[]) => {
    const program = await instance.exec(argv);
    program.exit.catch(() => undefined);
    return (await new Transcript(program.stdout).until(HOLD, /.*\n/))[0].trim();
  },
  /** Begins to write a file that never ends. Returns when a part of it has gone. */
  pour: (instance: AnyInstance, path: string) =>
    new Promise<void>((resolve, reject) => {
      Promise.resolve(instance.files.write(path, endless(resolve))).catch(reject);
    }),
} as const;
/** How long a program may take to print its first line, in milliseconds. */
const HOLD = 60_000;

async function* endless(begun: () => void): AsyncGenerator<Uint8Array> {
  // More than any buffer on the way holds.
  for (let sent = 0; ; sent++) {
    if (sent === 64) begun();
    yield new Uint8Array(2 ** 16);
    await new Promise(setImmediate);
  }
}

type Deeds = typeof DEEDS;
export type Deed = keyof Deeds;

const [READY, HANGING] = ["obeying", "hanging"];

/** Another host on the fixture's folder, in another process if the subject's instances allow that. */
export interface OtherHost extends AsyncDisposable {
  tell<D extends Deed>(deed: D, name: string, ...rest: Rest<D>): Promise<Awaited<ReturnType<Deeds[D]>>>;
  /** The same, for a request that must fail. Returns the error as text. */
  refusal<D extends Deed>(deed: D, name: string, ...rest: Rest<D>): Promise<string>;
  /** Ends it in the middle of what it does: by SIGKILL, or by disposal where it is in this process. */
  end(): Promise<void>;
  /**
   * A request to a host with {@link OtherHostOptions.hang}. Resolves when the call hangs; `refused` when it was refused
   * nevertheless.
   */
  hang<D extends "start" | "freeze" | "rename">(
    deed: D,
    name: string,
    ...rest: Rest<D>
  ): Promise<{ readonly refused: Promise<string> }>;
}
type Rest<D extends Deed> = Parameters<Deeds[D]> extends [AnyInstance, ...infer R] ? R : never;

export interface OtherHostOptions {
  /** Whether it cannot find out what runs: see {@link DriverSubject.openBlind}. Default false. */
  readonly blind?: boolean;
  /**
   * The step of its driver that never answers: see {@link DriverSubject.openHanging}. `rename`: that of its networks, see
   * {@link DriverSubject.openHangingNetworks}. Default: all answer.
   */
  readonly hang?: HangStep | "rename";
}

export async function openOtherHost(fixture: Fixture, options: OtherHostOptions = {}): Promise<OtherHost> {
  const { crash } = fixture.subject;
  const root = await fixture.root();
  if (crash.how === "kill") return openInProcess(crash.module, [root, options], fixture.deadline);
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const host = await openFor(fixture.subject, root, options, () => arrive());
  return {
    tell: ((deed, name, ...rest) => act(host, deed, name, rest)) as OtherHost["tell"],
    refusal: (deed, name, ...rest) => refused(deed, act(host, deed, name, rest)),
    end: async () => {
      await host[Symbol.asyncDispose]();
    },
    hang: async (deed, name, ...rest) => {
      const refusing = refused(deed, act(host, deed, name, rest));
      await within(fixture.deadline * 4, `${deed} hangs`, Promise.race([arrived, refusing]));
      return { refused: refusing };
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

function openFor(
  subject: DriverSubject,
  root: string,
  { blind = false, hang }: OtherHostOptions,
  arrived: () => void,
): Promise<Host<AnyDriver>> {
  if (hang === "rename" && subject.openHangingNetworks !== undefined) return subject.openHangingNetworks(root, arrived);
  if (hang !== undefined && hang !== "rename" && subject.openHanging !== undefined)
    return subject.openHanging(root, hang, arrived);
  return blind && subject.openBlind !== undefined ? subject.openBlind(root) : subject.open(root);
}

async function refused(deed: Deed, asked: Promise<unknown>): Promise<string> {
  return asked.then(() => assert.fail(`the other host did not refuse to ${deed}`), String);
}

/**
 * The main function of the other process. It opens the folder, runs one action for each line of its standard input,
 * answers each with a line of JSON, and exits at the end of the input.
 */
export async function obey(subject: DriverSubject, root: string, options: OtherHostOptions): Promise<never> {
  await obeyOn(await openFor(subject, root, options, () => process.stdout.write(`${HANGING}\n`)));
  // Programs and transfers that it began would keep it alive.
  process.exit();
}

async function obeyOn(opened: Host<AnyDriver>): Promise<void> {
  await using host = opened;
  process.stdout.write(`${READY}\n`);
  for await (const line of createInterface(process.stdin)) {
    const [deed, name, ...rest] = JSON.parse(line) as [Deed, string, ...unknown[]];
    const answer = await act(host, deed, name, rest).then(
      (value) => ({ value }),
      (error: unknown) => ({ failure: String(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

async function act(host: Host<AnyDriver>, deed: Deed, name: string, rest: readonly unknown[]): Promise<unknown> {
  const work = DEEDS[deed] as (instance: AnyInstance, ...rest: readonly unknown[]) => Promise<unknown>;
  return work((await host.get(name)) as AnyInstance, ...rest);
}

async function openInProcess(
  module: string,
  args: readonly [root: string, options: OtherHostOptions],
  deadline: number,
): Promise<OtherHost> {
  const child = startProcess(module, "obey", args);
  const errors = new Transcript(child.stderr);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (what: string): Promise<string> => {
    const { value, done } = await within(deadline * 4, what, lines.next());
    if (done) assert.fail(`the other process ended before ${what}: ${errors.text}`);
    return value;
  };
  try {
    assert.equal(await next("it had opened the folder"), READY);
  } catch (error) {
    await endProcess(child);
    throw error;
  }
  const answer = async (deed: Deed) => {
    const { value, failure } = JSON.parse(await next(`its answer to ${deed}`));
    if (failure !== undefined) throw new Error(`${deed} in the other process: ${failure}`);
    return value;
  };
  const ask = async (request: readonly [Deed, string, ...unknown[]]) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    return answer(request[0]);
  };
  return {
    tell: async (...request) => ask(request),
    refusal: (...request) => refused(request[0], ask(request)),
    end: () => endProcess(child),
    hang: async (...request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      assert.equal(await next(`${request[0]} hung`), HANGING);
      return { refused: refused(request[0], answer(request[0])) };
    },
    [Symbol.asyncDispose]: async () => {
      // A driver that hangs may keep its host from ending.
      if (args[1].hang !== undefined) return endProcess(child);
      child.stdin.end();
      try {
        await within(deadline, "the end of the other process", errors.ended);
      } finally {
        await endProcess(child);
      }
    },
  };
}
