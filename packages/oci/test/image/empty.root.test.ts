import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { oci } from "../../src/oci.ts";
import { rawLayout } from "../support/raw-layout.ts";

it(
  "an image without layers is imported, and the start of its instance reports that it is empty",
  requires(["root", "binary:lxc-start"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-oci-empty-"));
    try {
      await using host = await openHost({ root: join(folder, "host"), drivers: [oci()] });
      const rootfs = { type: "layers", diff_ids: null };
      const config = { rootfs, config: { Cmd: ["/hello"], Labels: { title: "metadata alone" } } };
      const image = await host.images.import(await rawLayout(folder, { config, manifest: { layers: null } }));
      expect(image).toMatchObject({ layers: [], process: { labels: { title: "metadata alone" } } });
      const instance = await host.create({ driver: "oci", name: "empty-image", image });
      await expect(instance.start()).rejects.toMatchObject({
        code: "ERR_IMAGE_INVALID",
        message: expect.stringContaining("it is empty: it has no layer"),
      });
      expect(await instance.state()).toBe("stopped");
      await instance.delete();
      await host.images.delete(image.fingerprint);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }),
);
