import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "../../src/index.ts";
import { fake, importFakeImage } from "../../src/testing/index.ts";

type Loose = (...args: unknown[]) => Promise<unknown>;

/** A function as plain JavaScript would call it: without types. */
export const loose = (call: unknown) => call as Loose;

/** A host of the fake driver with a running instance, for calls that are wrong. */
export type FakeBox = Awaited<ReturnType<typeof openFakeBox>>;

/** `valid` is the configuration of one more instance. */
export async function openFakeBox() {
  const root = await mkdtemp(join(tmpdir(), "pileus-fake-box-"));
  const host = await openHost({ root, drivers: [fake()] });
  const image = await importFakeImage(host);
  const box = await host.create({ name: "a", driver: "fake", image });
  await box.start();
  const valid: { readonly name: string; readonly driver: string; readonly image: unknown } = {
    name: "b",
    driver: "fake",
    image,
  };
  const close = async () => {
    await host[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  };
  return { root, host, box, valid, close };
}
