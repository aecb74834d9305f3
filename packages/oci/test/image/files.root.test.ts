import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/manifest.ts";
import { ociSource } from "../../src/image/source.ts";
import { buildImage } from "../support/build-image.ts";
import { fakeDraft } from "../support/fake-draft.ts";
import { real, SourceFixture, source } from "../support/source-fixture.ts";

let fixture: SourceFixture;
beforeAll(async () => {
  const opened = await SourceFixture.open();
  if (opened === undefined) return;
  fixture = opened;
  await buildImage(fixture.folder, "twice", [{ a: "a" }]);
});
afterAll(() => fixture?.close());

describe("an import from a folder or file", () => {
  it(
    "reads a layout in place",
    real(async () => {
      const { draft, description } = await fixture.load(fixture.image.source, {});
      expect(draft.opened).toEqual(fixture.image.diffIds);
      expect(description.fingerprint).toBe(fixture.image.config);
      expect(existsSync(join(draft.folder, "layout"))).toBe(false);
    }),
  );

  it(
    "requires a tag if a layout has several images, and names the available tags",
    real(async () => {
      await expect(fixture.load(`oci:${fixture.folder}/layout`, {})).rejects.toThrow("name one by its tag");
      await expect(fixture.load(`oci:${fixture.folder}/layout:none`, {})).rejects.toThrow(/the layout has .*twice/);
      await expect(fixture.load(`oci:${fixture.folder}/nowhere`, {})).rejects.toMatchObject({
        code: "ERR_HOST_FILE_NOT_FOUND",
      });
      await expect(fixture.load(`oci:${fixture.folder}`, {})).rejects.toMatchObject({ code: "ERR_IMAGE_INVALID" });
    }),
  );

  it(
    "opens neither a fifo nor a link in place of a blob, even if the link leads to the right bytes",
    real(async () => {
      for (const [name, argv] of [
        ["fifo", ["mkfifo"]],
        ["link", ["ln", "-s"]],
      ] as const) {
        const { layout } = await fixture.writeIndex(name);
        const blob = join(layout, "blobs/sha256", fixture.image.config.slice("sha256:".length));
        const outside = join(fixture.folder, `outside-${name}`);
        await rename(blob, outside);
        await spawn([...argv, ...(name === "link" ? [outside] : []), blob]);
        await expect(fixture.load(`oci:${layout}:all`, {})).rejects.toThrow("its config");
      }
    }),
  );

  it(
    "reads an OCI archive of several platforms",
    real(async () => {
      const { layout, digest } = await fixture.writeIndex("archive");
      const archive = join(fixture.folder, "oci.tar");
      await spawn(["skopeo", "copy", "--quiet", "--all", `oci:${layout}:all`, `oci-archive:${archive}:tag`]);
      for (const from of [`oci-archive:${archive}:tag`, `oci-archive:${archive}`]) {
        const { draft, description } = await fixture.load(from, { digest });
        expect(draft.opened).toEqual(fixture.image.diffIds);
        expect(description.fingerprint).toBe(fixture.image.config);
      }
    }),
  );

  it(
    "reads a Docker archive, whose digest is the file's",
    real(async () => {
      const archive = join(fixture.folder, "docker.tar");
      await spawn(["skopeo", "copy", "--quiet", fixture.image.source, `docker-archive:${archive}:name:1`]);
      const digest = digestOf(await readFile(archive));
      const { draft, description } = await fixture.load(`docker-archive:${archive}:name:1`, { digest });
      expect(draft.opened).toEqual(fixture.image.diffIds);
      expect(description.process?.entrypoint).toEqual(["/bin/sh", "-c"]);
      const other = { digest: `sha256:${"0".repeat(64)}` };
      await expect(fixture.load(`docker-archive:${archive}`, other)).rejects.toThrow("the file has digest");
      await expect(fixture.load(`docker-archive:${archive}:other:1`, {})).rejects.toMatchObject({
        code: "ERR_IMAGE_NOT_FOUND",
      });
    }),
  );

  it(
    "refuses a pinned Docker archive that was changed after its digest was taken",
    real(async () => {
      const archive = join(fixture.folder, "swapped.tar");
      await spawn(["skopeo", "copy", "--quiet", fixture.image.source, `docker-archive:${archive}:name:1`]);
      const digest = digestOf(await readFile(archive));
      const swapping = ociSource(async (argv, options) => {
        if (argv.includes("copy")) await writeFile(archive, await readFile(archive));
        return spawn(argv, options);
      });
      await expect(fixture.load(`docker-archive:${archive}`, { digest }, [], swapping)).rejects.toMatchObject({
        code: "ERR_IMAGE_INVALID",
        message: expect.stringContaining("it changed while it was read"),
      });
    }),
  );

  it(
    "unpacks no compressed archive beyond the limit",
    real(async () => {
      for (const kind of ["oci-archive", "docker-archive"]) {
        const archive = join(fixture.folder, `${kind}.tar`);
        await spawn(["skopeo", "copy", "--quiet", fixture.image.source, `${kind}:${archive}:name:1`]);
        await spawn(["gzip", archive]);
        const draft = { ...(await fakeDraft(fixture.folder)), maxBytes: 100_000 };
        await expect(source.import(`${kind}:${archive}.gz`, draft, {})).rejects.toMatchObject({
          code: "ERR_IMAGE_INVALID",
          message: expect.stringContaining("more than 100000 bytes"),
        });
      }
    }),
  );

  for (const kind of ["oci-archive", "docker-archive"])
    it(
      `rejects with ImageError for a file that is not a ${kind}`,
      real(async () => {
        const junk = join(fixture.folder, "junk");
        await writeFile(junk, "junk".repeat(1000));
        await expect(fixture.load(`${kind}:${junk}`, {})).rejects.toMatchObject({ code: "ERR_IMAGE_INVALID" });
        await expect(fixture.load(`${kind}:${junk}-not`, {})).rejects.toMatchObject({
          code: "ERR_HOST_FILE_NOT_FOUND",
        });
      }),
    );
});
