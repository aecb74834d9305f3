import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ImageError, RunError } from "../src/errors/all.ts";
import { openHost } from "../src/index.ts";
import { fake } from "../src/testing/index.ts";
import { type FakeBox, openFakeBox } from "./support/fake-box.ts";

let place: FakeBox;
beforeAll(async () => {
  place = await openFakeBox();
});
afterAll(() => place.close());

describe("the error about a missing instance", () => {
  it("names a near name of one that is there, and list()", async () => {
    const { host, valid } = place;
    await using _web = await host.ephemeral({ ...valid, driver: "fake", name: "web-server", image: `${imageOf()}` });
    await expect(host.get("web-sever")).rejects.toThrow(
      'no instance "web-sever": did you mean "web-server"? list() has all of them',
    );
  });

  it("names list() alone when no name is near, or when the instance with it was deleted", async () => {
    const { host, valid } = place;
    const gone = await host.create({ ...valid, driver: "fake", name: "database", image: `${imageOf()}` });
    await gone.delete();
    for (const name of ["databse", "nope", "Not A Name", "../../x", ""])
      await expect(host.get(name)).rejects.toMatchObject({
        message: expect.not.stringContaining("did you mean"),
      });
    await expect(host.get("nope")).rejects.toThrow('no instance "nope": list() has all of them');
  });
});

it("a call on a stopped instance is told to start it", async () => {
  const { host, valid } = place;
  const instance = await host.create({ ...valid, driver: "fake", name: "idle", image: `${imageOf()}` });
  const refusal = /"idle": it is stopped and must be running: start\(\) it$/;
  await expect(instance.exec(["ls"])).rejects.toThrow(refusal);
  await expect(instance.files.readText("/etc/passwd")).rejects.toThrow(refusal);
  await expect(instance.freeze()).rejects.toThrow("start() it");
  await instance.delete();
});

it("a call on a host that was disposed is told to open it again", async () => {
  const root = await mkdtemp(join(tmpdir(), "pileus-cures-"));
  const host = await openHost({ root, drivers: [fake()] });
  await host[Symbol.asyncDispose]();
  await expect(host.list()).rejects.toThrow("it was disposed: open it again with openHost()");
  await rm(root, { recursive: true });
});

describe("a command line in one word", () => {
  const failure = async (argv: readonly string[]) => {
    const error = await place.box.run(argv, { check: true }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).result.exitCode).toBe(127);
    return String(error);
  };

  it("is told that argv is a list of words", async () => {
    expect(await failure(["nothing -l /"])).toContain('argv is a list of words, as in ["ls", "-l", "/"]');
  });

  it.each([[["nothing"]], [["no thing", "-l"]]])("is not seen in %j", async (argv) => {
    expect(await failure(argv)).not.toContain("list of words");
  });
});

it("the import of an empty folder is refused, and says what was expected in it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-cures-"));
  const importing = () => place.host.images.import(folder);
  const error = await importing().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ImageError);
  expect(String(error)).toContain("the folder is empty: a root file system, with /bin and /etc, was expected in it");
  await mkdir(join(folder, "etc"));
  await expect(importing()).resolves.toMatchObject({ kind: "rootfs" });
  await rm(folder, { recursive: true });
});

function imageOf(): string {
  return (place.valid.image as { readonly fingerprint: string }).fingerprint;
}
