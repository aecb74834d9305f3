import { randomUUID } from "node:crypto";
import type { AnyDriver } from "../../contract/backend.ts";
import type { Host } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import { Transcript } from "./expect.ts";
import { type AnyInstance, createConfig, type Fixture } from "./fixture.ts";
import { endService, startProcess } from "./process.ts";
import type { DriverSubject } from "./subject.ts";

/** The state of an instance at the moment when its host dies. */
export interface Victim {
  readonly name: string;
  /** `creating` and `starting`: under way, for `delay` milliseconds. */
  readonly state: "stopped" | "running" | "frozen" | "creating" | "starting" | "ephemeral";
  readonly delay?: number | undefined;
  /** A program that is started detached in an instance that runs. */
  readonly detached?: readonly string[] | undefined;
}

const READY = "victims in place";

/** Brings instances into the given states without disposing the host, and prints a line on stdout when it is done. */
async function prepareVictims(
  subject: DriverSubject,
  root: string,
  victims: readonly Victim[],
): Promise<Host<AnyDriver>> {
  const host = await subject.open(root);
  const image = await subject.image(host);
  for (const { name, state, detached } of victims) {
    const config = await createConfig(subject, host, image, name);
    if (state === "ephemeral") {
      await host.ephemeral(config);
      continue;
    }
    const created = host.create(config) as Promise<AnyInstance>;
    if (state === "creating") continue;
    const instance = await created;
    const started = state === "stopped" ? undefined : instance.start();
    if (state === "starting") continue;
    await started;
    if (started !== undefined) await instance.ready({ timeout: subject.deadline ?? 10_000 });
    if (detached !== undefined) await instance.exec(detached, { detached: true });
    if (state === "frozen") await instance.freeze();
  }
  return host;
}

/** The main function of the process that will be killed. */
export async function liveUntilKilled(
  subject: DriverSubject,
  root: string,
  victims: readonly Victim[],
): Promise<never> {
  // A timer, or Node would exit because nothing is pending.
  setInterval(() => undefined, 2 ** 30);
  await prepareVictims(subject, root, victims);
  process.stdout.write(`${READY}\n`);
  return new Promise(() => undefined);
}

/**
 * Lets a host die while it has instances, with everything that is in the cgroup of its process, as a service manager
 * ends a service; then calls `meanwhile` for each instance that runs. The fixture's own host on
 * the folder is disposed before, so that the next host has not seen anything of this.
 */
export async function crashHost(
  fixture: Fixture,
  victims: readonly Victim[],
  meanwhile?: (info: InstanceInfo) => Promise<void>,
): Promise<void> {
  const { subject } = fixture;
  const root = await fixture.root();
  await fixture.leave();
  if (subject.crash.how === "abandon") {
    const host = await prepareVictims(subject, root, victims);
    if (meanwhile === undefined) return;
    const running = (await host.list({ state: "live" })).filter(({ state }) => state === "running");
    // An abandoned host still watches: it must not see what happens.
    await host[Symbol.asyncDispose]();
    for (const info of running) await meanwhile(info);
    return;
  }
  const service = `pileus-kit-${randomUUID()}`;
  const child = startProcess(subject.crash.module, "liveUntilKilled", [root, victims], service);
  const output = new Transcript(child.stdout);
  const errors = new Transcript(child.stderr);
  try {
    await output.until(fixture.deadline * 4, new RegExp(READY)).catch((error: Error) => {
      throw new Error(`${error.message}; ${errors.text}`, { cause: error });
    });
    const delay = Math.max(0, ...victims.map((victim) => victim.delay ?? 0));
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    const running = meanwhile === undefined ? [] : await look(fixture);
    await endService(child, service);
    for (const info of running) await meanwhile?.(info);
  } finally {
    await endService(child, service);
  }
}

/** The running instances, listed by a separate host that is disposed when this returns. */
async function look(fixture: Fixture): Promise<InstanceInfo[]> {
  const host = await fixture.subject.open(await fixture.root());
  const running = (await host.list({ state: "live" })).filter(({ state }) => state === "running");
  await host[Symbol.asyncDispose]();
  return running;
}
