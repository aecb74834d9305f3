import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ImageSourcePlugin } from "../../../src/contract/image-source.ts";
import { ConfigError, ImageError, NotFoundError } from "../../../src/errors/all.ts";
import { DEFAULT_LAYER_LIMITS } from "../../../src/images/layer/limits.ts";
import { findOrigin } from "../../../src/images/source/find-origin.ts";

const plugin: ImageSourcePlugin = {
  prefixes: ["docker://", "oci:"],
  import: async () => expect.unreachable(),
};
const failure = (source: string, plugins: readonly ImageSourcePlugin[] = []) =>
  findOrigin(source, plugins, DEFAULT_LAYER_LIMITS, {}).catch((reason: unknown) => reason);

describe("a source that is not a file", () => {
  it.each(["https://example.org/rootfs.tar.xz", "redis:7", "127.0.0.1:5000/redis", "library/redis:7"])(
    "is refused with the list of sources: %s",
    async (source) => {
      const error = await failure(source, [plugin]);
      expect(error).toBeInstanceOf(NotFoundError);
      expect(String(error)).toContain("no such file or folder; a source is the path of a tar");
      expect(String(error)).toContain("or begins with docker:// or oci:");
      expect(String(await failure(source))).toContain("oci() of @pileus/oci");
    },
  );

  it.each(["/nowhere/rootfs:1.tar", "./redis:7", "rootfs.tar"])(
    "is refused without the list when it is a path: %s",
    async (source) => {
      const error = await failure(source, [plugin]);
      expect(error).toBeInstanceOf(NotFoundError);
      expect(String(error)).toMatch(/no such file or folder$/);
    },
  );
});

describe("a source that cannot be read", () => {
  it.each([
    ["looked up", `/${"x".repeat(300)}`, "ENAMETOOLONG"],
    // Nothing is mapped at address 0: the file opens, and reading its beginning fails.
    ["read", "/proc/self/mem", "EIO"],
  ])("is refused with its path and the system's reason when it cannot be %s", async (_what, source, errno) => {
    const error = await failure(source);
    expect(error).toBeInstanceOf(ImageError);
    expect(String(error)).toContain(`image ${source}: it cannot be read: ${errno}: `);
  });
});

it("an OCI layout is not accepted as a root file system, and the error says how to write it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-images-layout-"));
  try {
    await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    const error = await failure(folder, [plugin]);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain(`write oci:${folder}`);
  } finally {
    await rm(folder, { recursive: true });
  }
});
