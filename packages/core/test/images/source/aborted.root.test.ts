import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Draft } from "../../../src/images/draft.ts";
import { DEFAULT_LAYER_LIMITS } from "../../../src/images/layer/limits.ts";
import { findOrigin } from "../../../src/images/source/find-origin.ts";
import { spawn } from "../../../src/system/spawn.ts";
import { requires } from "../../../src/testing/requires.ts";
import { Scratch } from "../support/scratch.ts";

/** A draft that would let the import succeed: it takes every layer, and looks at no signal. */
function patient(folder: string): Draft {
  const draft: Pick<Draft, "folder" | "addLayer"> = {
    folder,
    async addLayer({ open }) {
      for await (const _ of await open());
      return { diffId: "", chainId: "", size: 0 };
    },
  };
  return draft as Draft;
}

describe.each(["folder", "squashfs"])("the import of a %s that is aborted already", (kind) => {
  it(
    "starts no tool, and rejects with the caller's own reason",
    requires(["binary:tar", "binary:mksquashfs", "binary:unsquashfs"], async () => {
      await using scratch = await Scratch.make();
      const tree = scratch.path("tree");
      await mkdir(join(tree, "bin"), { recursive: true });
      await spawn(["mksquashfs", tree, scratch.path("squashfs"), "-quiet", "-no-progress"]);
      const source = kind === "folder" ? tree : scratch.path("squashfs");
      const origin = await findOrigin(source, [], DEFAULT_LAYER_LIMITS, {});
      const seen: string[] = [];
      const loading = origin.load(patient(scratch.folder), {
        signal: AbortSignal.abort("enough"),
        onProgress: ({ phase }) => seen.push(phase),
      });
      await expect(loading).rejects.toBe("enough");
      expect(seen).toEqual([]);
    }),
  );
});
