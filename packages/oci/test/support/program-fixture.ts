import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Instance, type InstanceExit, type OciProcess, openHost } from "@pileus/core";
import { lacking, requires } from "@pileus/core/testing";
import { afterAll, beforeAll, expect } from "vitest";
import { leftovers } from "../../../lxc/test/support/leftovers.ts";
import { type OciCapability, oci } from "../../src/index.ts";
import type { OciSectionInput } from "../../src/section.ts";
import { buildImage, type LayerContent } from "./build-image.ts";

const NEEDS = ["root", "cgroup", "overlay", "binary:lxc-start"] as const;
const NETWORK = { name: "pileus-oci0", ipv4: "10.231.77.1/24" };
const open = (root: string) => openHost({ root, drivers: [oci()] });

export const real = (test: () => Promise<void>) => requires(NEEDS, test);
export const sh = (script: string, ...args: string[]) => ({ entrypoint: ["/bin/sh", "-c", script, "sh", ...args] });
export const exited = (code: number) => ({ kind: "exited", code });

export interface More {
  readonly image?: string;
  readonly env?: Record<string, string>;
  /** Adds a nic on the fixture's network. */
  readonly network?: true;
  readonly limits?: { readonly memory?: string; readonly processes?: number };
}

/** The fixture of a test file. It is opened before the tests, and checked for leftovers afterwards. */
export function programFixture(): ProgramFixture {
  const fixture = new ProgramFixture();
  const runs = NEEDS.every((need) => lacking(need) === undefined);
  if (runs) beforeAll(() => fixture.open());
  if (runs) afterAll(async () => expect(await fixture.close()).toEqual([]));
  return fixture;
}

/** A host with an image whose program prints `up`, and takes two seconds to end with code 3 at SIGUSR1. */
export class ProgramFixture {
  image = "";
  #folder = "";
  #host: Awaited<ReturnType<typeof open>> | undefined;
  #count = 0;

  get folder(): string {
    return this.#folder;
  }
  get host(): Awaited<ReturnType<typeof open>> {
    if (this.#host === undefined) throw new Error("the fixture is not open");
    return this.#host;
  }

  async open(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), "pileus-oci-program-"));
    await this.reopen();
    this.image = await this.load(["busybox"], {
      cmd: [
        "/bin/sh",
        "-c",
        "trap 'echo asked; sleep 2; echo done; exit 3' USR1; echo up; while :; do sleep 1 & wait $!; done",
      ],
      env: ["FROM=image", "LINES=a\nb", "BOTH=image"],
      workdir: "/srv/made here",
      user: "app",
      stopSignal: "SIGUSR1",
    });
  }

  /** Returns what is left of any instance. */
  async close(): Promise<readonly string[]> {
    await this.host.networks.delete(NETWORK.name);
    const left = await this.leftovers();
    await this.host[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
    return left;
  }

  leftovers(): Promise<readonly string[]> {
    return leftovers(join(this.folder, "root"));
  }

  async reopen(): Promise<void> {
    this.#host = await open(join(this.folder, "root"));
  }

  async load(layers: readonly LayerContent[], config: Partial<OciProcess> = {}): Promise<string> {
    const { source } = await buildImage(this.folder, this.#name("image"), layers, config);
    return (await this.host.images.import(source)).fingerprint;
  }

  /** An instance for the length of a test. */
  async using(
    section: OciSectionInput,
    test: (instance: Instance<OciCapability>) => Promise<void>,
    { image = this.image, env = {}, network, limits = {} }: More = {},
  ): Promise<void> {
    if (network) await this.host.networks.create(NETWORK);
    const devices = network ? { eth0: { type: "nic" as const, network: NETWORK.name } } : {};
    const config = { driver: "oci", name: this.#name("box"), image, oci: section, env, devices, limits } as const;
    const instance = await this.host.create(config);
    try {
      await test(instance);
    } finally {
      await instance.delete();
    }
  }

  /** The output of a program and its exit status, without a stop. */
  async outcome(section: OciSectionInput, more: More = {}) {
    let exit: InstanceExit | undefined;
    const printed = { stdout: "", stderr: "" };
    const test = async (instance: Instance<OciCapability>) => {
      await instance.start();
      exit = await instance.wait();
      printed.stdout = await text(await instance.logs({ stream: "stdout" }));
      printed.stderr = await text(await instance.logs({ stream: "stderr" }));
    };
    await this.using(section, test, more);
    return { ...(exit as InstanceExit | undefined), ...printed };
  }

  #name(kind: string): string {
    this.#count += 1;
    return `${kind}-${this.#count}`;
  }
}
