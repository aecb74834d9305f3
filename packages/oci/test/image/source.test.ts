import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ociSource } from "../../src/image/source.ts";

it("refuses a manifest that does not have the reference's digest, even if skopeo accepts it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-oci-source-"));
  try {
    const source = ociSource(async () => ({ stdout: "{}", stderr: "", exitCode: 0 }));
    const draft = {
      descriptors: [],
      folder,
      maxBytes: 1e6,
      addLayer: () => Promise.reject(new Error("this test adds no layer")),
    };
    const imported = source.import(`docker://h.x/a@sha256:${"a".repeat(64)}`, draft, {});
    await expect(imported).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
      message: expect.stringContaining("its manifest has digest"),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
