import { closeSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { openUserNamespace } from "../../src/system/idmap.ts";
import { mountOverlay, unmountBelow } from "../../src/system/mount.ts";

it(
  "says what is wrong with a layer, and leaves none of the others mounted",
  requires(["root", "overlay"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-mount-"));
    const [layer, upper, work, target] = ["layer", "upper", "work", "target"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ];
    for (const path of [layer, upper, work, target]) await mkdir(path);
    const userNamespace = await openUserNamespace({ base: 100_000, count: 65_536 });
    try {
      const layers = [layer, join(folder, "missing")];
      const staging = join(folder, "staging");
      expect(() => mountOverlay({ layers, upper, work, target, staging, userNamespace })).toThrow(
        expect.objectContaining({ code: "ENOENT", syscall: "open_tree" }),
      );
      expect(await readdir(folder)).toEqual(["layer", "target", "upper", "work"]);
    } finally {
      closeSync(userNamespace);
      await unmountBelow(folder);
      await rm(folder, { recursive: true });
    }
  }),
);
