import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import type { Host } from "../../contract/host.ts";
import type { AnyDriver } from "../../driver/backend.ts";
import { Transcript, within } from "./expect.ts";
import type { AnyInstance, Fixture } from "./fixture.ts";
import { endProcess, startProcess } from "./process.ts";
import type { DriverSubject } from "./subject.ts";

/** What the other host can do with an instance on request. */
const DEEDS = {
  start: (instance: AnyInstance) => instance.start(),
  stop: (instance: AnyInstance) => instance.stop({ mode: "kill" }),
  restart: (instance: AnyInstance) => instance.restart({ mode: "kill" }),
  delete: (instance: AnyInstance) => instance.delete(),
  inspect: (instance: AnyInstance) => instance.inspect(),
} as const;
type Deeds = typeof DEEDS;
export type Deed = keyof Deeds;

const READY = "obeying";

/** Another host on the fixture's folder, in another process if the subject's instances allow that. */
export interface OtherHost extends AsyncDisposable {
  tell<D extends Deed>(deed: D, name: string): Promise<Awaited<ReturnType<Deeds[D]>>>;
}

export async function openOtherHost(fixture: Fixture): Promise<OtherHost> {
  const { crash } = fixture.subject;
  const root = await fixture.root();
  if (crash.how === "kill") return openInProcess(crash.module, root, fixture.deadline);
  const host = await fixture.subject.open(root);
  return {
    tell: ((deed, name) => act(host, deed, name)) as OtherHost["tell"],
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/**
 * The main function of the other process. It opens the folder, runs one action for each line of its standard input,
 * answers each with a line of JSON, and exits at the end of the input.
 */
export async function obey(subject: DriverSubject, root: string): Promise<void> {
  await using host = await subject.open(root);
  process.stdout.write(`${READY}\n`);
  for await (const line of createInterface(process.stdin)) {
    const [deed, name] = JSON.parse(line) as [Deed, string];
    const answer = await act(host, deed, name).then(
      (value) => ({ value }),
      (error: unknown) => ({ failure: String(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

async function act(host: Host<AnyDriver>, deed: Deed, name: string): Promise<unknown> {
  return DEEDS[deed]((await host.get(name)) as AnyInstance);
}

async function openInProcess(module: string, root: string, deadline: number): Promise<OtherHost> {
  const child = startProcess(module, "obey", [root]);
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
  return {
    tell: async (deed, name) => {
      child.stdin.write(`${JSON.stringify([deed, name])}\n`);
      const { value, failure } = JSON.parse(await next(`its answer to ${deed}`));
      if (failure !== undefined) assert.fail(`${deed} in the other process: ${failure}`);
      return value;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      try {
        await within(deadline, "the end of the other process", errors.ended);
      } finally {
        await endProcess(child);
      }
    },
  };
}
