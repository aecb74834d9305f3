import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { AnyDriver } from "../../contract/backend.ts";
import type { Capability } from "../../contract/capability.ts";
import type { Host } from "../../contract/host.ts";
import type { Instance } from "../../contract/instance.ts";
import type { Image } from "../../model/image.ts";
import { requires, type SkipContext } from "../requires.ts";
import { eventually, within } from "./expect.ts";
import type { DriverSubject, Runner, SubjectAccount, SubjectConfig } from "./subject.ts";

/** The environment in the configuration of every instance of the kit. */
export const CONFIG_ENV = { KIT_CONFIG: "from the config" };
/** The name of the instance that tests share. */
export const SHARED = "kit-shared";
/** How many deadlines of one verb a test may take. */
const VERBS = 6;

export type AnyInstance = Instance<Capability>;

/** One state folder, one open host, one image, and an instance that tests share, because booting one can take long. */
export class Fixture {
  readonly subject: DriverSubject;
  readonly #runner: Runner;
  /** The state of the suite that is being described. */
  readonly #tests: (() => unknown)[] = [];
  #root: Promise<string> | undefined;
  #host: Promise<Host<AnyDriver>> | undefined;
  #image: Promise<Image> | undefined;
  #count = 0;

  constructor(runner: Runner, subject: DriverSubject) {
    this.#runner = runner;
    this.subject = subject;
  }

  get deadline(): number {
    return this.subject.deadline ?? 10_000;
  }
  get account(): SubjectAccount {
    return this.subject.account ?? { name: "daemon", uid: 1, gid: 1, groups: [1] };
  }
  has(capability: Capability): boolean {
    return this.subject.capabilities.includes(capability);
  }

  /** Registers a test. Leaves it out when the driver lacks one of the capabilities; the errors chapter covers that. */
  it(name: string, test: () => Promise<void>, ...capabilities: readonly Capability[]): void {
    if (!capabilities.every((capability) => this.has(capability))) return;
    const told = async () => {
      try {
        await test();
      } catch (error) {
        throw await this.#explain(error);
      }
    };
    const { needs = [] } = this.subject;
    const options = { timeout: this.deadline * VERBS };
    this.#tests.push(() => this.#runner.it(name, options, requires<SkipContext>(needs, told)));
  }
  /** Registers a suite, unless `body` registers no test: vitest fails an empty suite. */
  describe(name: string, body: () => void): void {
    body();
    const tests = this.#tests.splice(0);
    if (tests.length > 0) this.#runner.describe(name, () => tests.forEach((register) => void register()));
  }

  root(): Promise<string> {
    this.#root ??= mkdtemp(join(this.subject.folder ?? tmpdir(), "pileus-kit-"));
    return this.#root;
  }
  host(): Promise<Host<AnyDriver>> {
    this.#host ??= this.root().then((root) => this.subject.open(root));
    return this.#host;
  }
  image(): Promise<Image> {
    this.#image ??= this.host().then((host) => this.subject.image(host));
    return this.#image;
  }

  /** Disposes the host: the next call opens another one on the same folder. */
  async leave(): Promise<void> {
    const former = this.#host;
    this.#host = undefined;
    await (await former)?.[Symbol.asyncDispose]();
  }
  async reopen(): Promise<Host<AnyDriver>> {
    await this.leave();
    return this.host();
  }

  name(): string {
    this.#count += 1;
    return `kit-${this.#count}`;
  }
  /** The configuration of a new instance. */
  async config(name = this.name(), more: SubjectConfig = {}) {
    return createConfig(this.subject, await this.host(), await this.image(), name, more);
  }
  async create(name = this.name(), more: SubjectConfig = {}): Promise<AnyInstance> {
    return (await this.host()).create(await this.config(name, more));
  }
  /** Passes a new instance to the test, and deletes it afterwards. */
  async using(test: (instance: AnyInstance) => Promise<void>, more: SubjectConfig = {}): Promise<void> {
    const instance = await this.create(undefined, more);
    try {
      await test(instance);
    } finally {
      await instance.delete();
    }
  }

  /** The shared instance, stopped. */
  async stopped(): Promise<AnyInstance> {
    const host = await this.host();
    const known = (await host.list()).some(({ name }) => name === SHARED);
    const instance = known ? ((await host.get(SHARED)) as AnyInstance) : await this.create(SHARED);
    if ((await instance.state()) !== "stopped") await instance.stop({ mode: "kill" });
    return instance;
  }
  /** The shared instance, running and ready. */
  async running(): Promise<AnyInstance> {
    const host = await this.host();
    const known = (await host.list({ state: "live" })).find(({ name }) => name === SHARED);
    const instance = known ? ((await host.get(SHARED)) as AnyInstance) : await this.create(SHARED);
    if (known?.state === "frozen") await instance.unfreeze();
    else if (known?.state !== "running") await instance.start();
    await instance.ready({ timeout: this.deadline });
    return instance;
  }

  /** Deletes every instance. */
  async deleteAll(): Promise<void> {
    const host = await this.host();
    for (const { name } of await host.list()) await (await host.get(name)).delete();
  }
  /** Fails with what is left of any instance, after another host on the folder had time to clean up. */
  async assertNothingLeft(): Promise<void> {
    let left: readonly string[] = [];
    const empty = async () => {
      left = await this.leftovers();
      return left.length === 0 || undefined;
    };
    await eventually(this.deadline / 4, "nothing left", empty).catch(() => assert.deepEqual(left, []));
  }
  /** Descriptions of everything that exists of any instance. */
  async leftovers(): Promise<readonly string[]> {
    const root = await this.root();
    const inside = async (folder: string) => {
      const names = await readdir(join(root, folder)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return [];
        throw error;
      });
      return names
        .filter((name) => folder !== "locks" || name.startsWith("instance-"))
        .map((name) => join(folder, name));
    };
    const beside = (await this.subject.leftovers?.(root)) ?? [];
    return [...(await inside("instances")), ...(await inside("names")), ...(await inside("locks")), ...beside];
  }
  async close(): Promise<void> {
    if (this.#root === undefined) return;
    try {
      if (this.#host !== undefined) {
        await using host = await this.#host;
        // The kit must end even if a driver never stops an instance.
        await within(this.deadline * 2, "the deletion of what is left", this.deleteAll());
        await this.subject.cleanUp?.(host);
      }
    } finally {
      if (!process.env["PILEUS_KEEP"]) await rm(await this.#root, { recursive: true, force: true });
    }
  }

  /** The failure with details that help to explain it: the state folder, and the last output of the shared instance. */
  async #explain(error: unknown): Promise<unknown> {
    if (!(error instanceof Error)) return error;
    const lines = [`state folder: ${await this.root()} (kept with PILEUS_KEEP=1)`];
    const { prints } = this.subject;
    if (prints !== undefined && this.has("logs")) {
      const told = await this.#lastLines(prints.stream).catch((why: unknown) => String(why));
      if (told !== undefined) lines.push(`its ${prints.stream}: ${told}`);
    }
    error.message += `\n  ${lines.join("\n  ")}`;
    return error;
  }
  async #lastLines(stream: "stdout" | "stderr" | "console"): Promise<string | undefined> {
    const host = await this.host();
    if (!(await host.list()).some(({ name }) => name === SHARED)) return undefined;
    const instance = (await host.get(SHARED)) as AnyInstance;
    return (await text(await instance.logs({ stream, tail: 20 }))).trimEnd().split("\n").slice(-20).join("\n    ");
  }
}

export async function createConfig(
  subject: DriverSubject,
  host: Host<AnyDriver>,
  image: Image,
  name: string,
  more: SubjectConfig = {},
) {
  const own = typeof subject.config === "function" ? await subject.config(host) : subject.config;
  return { env: CONFIG_ENV, ...own, ...more, name, driver: subject.driver, image };
}
