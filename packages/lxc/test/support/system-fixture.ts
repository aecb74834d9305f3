import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CreateConfig, type Host, type Image, type Instance, openHost } from "@pileus/core";
import { lacking, type Need } from "@pileus/core/testing";
import { afterAll, beforeAll, expect } from "vitest";
import { type LxcCapability, lxc } from "../../src/index.ts";
import { leftovers } from "./leftovers.ts";
import { subject } from "./lxc-subject.ts";

/** What a test with a real container needs. */
export const NEEDS: readonly Need[] = subject.needs ?? [];

/** The fixture of a test file. It is opened before the tests, and checked for leftovers afterwards. */
export function systemFixture(): SystemFixture {
  const fixture = new SystemFixture();
  const runs = NEEDS.every((need) => lacking(need) === undefined);
  if (runs) beforeAll(() => fixture.open());
  if (runs) afterAll(async () => expect(await fixture.close()).toEqual([]));
  return fixture;
}

/** A host of system containers, with the image of the driver's subject. */
export class SystemFixture {
  #root = "";
  #image: Image | undefined;
  #host: Host<ReturnType<typeof lxc>> | undefined;
  #count = 0;

  get root(): string {
    return this.#root;
  }
  get host(): Host<ReturnType<typeof lxc>> {
    if (this.#host === undefined) throw new Error("the fixture is not open");
    return this.#host;
  }
  get image(): Image {
    if (this.#image === undefined) throw new Error("the fixture is not open");
    return this.#image;
  }

  async open(): Promise<void> {
    this.#root = await mkdtemp(join(tmpdir(), "pileus-lxc-"));
    this.#host = await openHost({ root: this.#root, drivers: [lxc()] });
    this.#image = await subject.image(this.#host);
  }

  /** Opens the same root again, after the host was disposed. */
  async reopen(): Promise<void> {
    this.#host = await openHost({ root: this.#root, drivers: [lxc()] });
  }

  /** Returns what is left of any instance. */
  async close(): Promise<readonly string[]> {
    await this.host[Symbol.asyncDispose]();
    const left = await leftovers(this.#root);
    await rm(this.#root, { recursive: true });
    return left;
  }

  /** A running instance for the length of a scope, with these keys of its configuration. */
  running(more: Partial<Omit<CreateConfig<"lxc">, "driver">> = {}): Promise<Instance<LxcCapability>> {
    this.#count += 1;
    return this.host.ephemeral({ driver: "lxc", name: `system-${this.#count}`, image: this.image, ...more });
  }
}
