import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { mountOverlay, unmountBelow } from "../../src/system/mount.ts";
import { spawn } from "../../src/system/spawn.ts";

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
    const idmap = { base: 2_000_000, count: 65_536 };
    try {
      const layers = [layer, join(folder, "missing")];
      const staging = join(folder, "staging");
      expect(() => mountOverlay({ layers, upper, work, target, staging, idmap })).toThrow(
        expect.objectContaining({ code: "ENOENT", syscall: "open_tree" }),
      );
      expect(await readdir(folder)).toEqual(["layer", "target", "upper", "work"]);
    } finally {
      await unmountBelow(folder);
      await rm(folder, { recursive: true });
    }
  }),
);

it(
  "says which file system cannot map owners, and what to do",
  requires(["root", "overlay"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-mount-"));
    const path = (name: string) => join(folder, name);
    for (const name of ["layer", "upper", "work", "target", "nested", "nested-upper", "nested-work"])
      await mkdir(path(name));
    const at = {
      upper: path("nested-upper"),
      work: path("nested-work"),
      target: path("target"),
      staging: path("staging"),
    };
    try {
      mountOverlay({
        layers: [path("layer")],
        upper: path("upper"),
        work: path("work"),
        target: path("nested"),
        staging: path("staging"),
      });
      // An overlay cannot be idmapped.
      const layers = [path("nested")];
      expect(() => mountOverlay({ ...at, layers, idmap: { base: 2_000_000, count: 65_536 } })).toThrow(
        expect.objectContaining({ code: "ERR_HOST", missing: [expect.objectContaining({ need: "idmapped-mounts" })] }),
      );
      expect(await readdir(folder)).not.toContain("staging");
    } finally {
      await unmountBelow(folder);
      await rm(folder, { recursive: true });
    }
  }),
);

it(
  "keeps the owners inside on disk, maps those of the layers, and needs the host's root for neither",
  requires(["root", "overlay", "binary:setpriv"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-mount-"));
    const path = (name: string) => join(folder, name);
    for (const name of ["layer", "upper", "work", "target"]) await mkdir(path(name));
    await chmod(folder, 0o711);
    await writeFile(path("layer/old"), "old");
    await chown(path("layer/old"), 5, 6);
    // The first id that is none of the map, which is root of the host where files are written.
    await writeFile(path("layer/beyond"), "");
    await chown(path("layer/beyond"), 1000, 1000);
    try {
      const all = { upper: path("upper"), work: path("work"), target: path("target"), staging: path("staging") };
      mountOverlay({ ...all, layers: [path("layer")], idmap: { base: 2_000_000, count: 1000 } });
      expect(await stat(path("target/old"))).toMatchObject({ uid: 2_000_005, gid: 2_000_006 });
      // proc_sys_kernel(5), overflowuid.
      expect(await stat(path("target/beyond"))).toMatchObject({ uid: 65_534, gid: 65_534 });
      const script = "echo new >new && rm old && mkdir folder && echo in >folder/file";
      const user = ["--reuid=2000000", "--regid=2000000", "--clear-groups"];
      await spawn(["setpriv", ...user, "sh", "-c", script], { cwd: path("target") });
      expect(await stat(path("target/folder/file"))).toMatchObject({ uid: 2_000_000, gid: 2_000_000 });
      expect(await stat(path("upper/folder/file"))).toMatchObject({ uid: 0, gid: 0 });
      expect(await readdir(path("target"))).toEqual(["beyond", "folder", "new"]);
    } finally {
      await unmountBelow(folder);
      await rm(folder, { recursive: true });
    }
  }),
);
