import { mkdir, readFile, stat, symlink } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { startTar } from "../../../src/images/layer/tar.ts";
import { whyNoCell } from "../../../src/system/cell.ts";
import { requires } from "../../../src/testing/requires.ts";
import { listing, Scratch } from "../support/scratch.ts";
import { file, folder, hardLink, type RawEntry, tarBytes } from "../support/tar-bytes.ts";

const symlinkTo = (name: string, target: string): RawEntry => ({ name, flag: "2", target });

// What would come if everything that judges an archive had let it through.
describe("tar, given an unfiltered hostile archive,", () => {
  const climb = "../".repeat(8);
  it.for<readonly [what: string, entries: readonly RawEntry[]]>([
    ["an absolute name", [file("$/canary", "dead")]],
    ["an absolute name of what is not there yet", [file("$/new", "dead")]],
    ["a climbing name", [file("../outside/canary", "dead"), file(`${climb}$/canary`, "dead")]],
    ["a write through a symlink", [symlinkTo("l", "$"), file("l/canary", "dead"), file("l/new", "dead")]],
    ["a write through a climbing symlink", [symlinkTo("l", `${climb}$`), file("l/canary", "dead")]],
    ["a hard link out", [hardLink("h", "$/canary")]],
    ["a hard link up", [hardLink("h", "../outside/canary")]],
    ["a folder outside", [folder("$/new"), folder(`${climb}$/more`)]],
    ["a link that stood there before", [file("planted/canary", "dead"), file("planted/new", "dead")]],
    ["a device", [{ name: "null", flag: "3" }, symlinkTo("d", "/dev"), { name: "d/pileus-test", flag: "3" }]],
  ])("writes nothing outside: %s", ([, entries], context) =>
    requires(["root", "binary:tar", "binary:nsenter"], async () => {
      expect(whyNoCell("tar")).toBeUndefined();
      await using scratch = await Scratch.make();
      const outside = scratch.path("outside");
      const tree = scratch.path("tree");
      await mkdir(tree);
      await symlink(outside, `${tree}/planted`);
      const before = await listing(outside);
      const at = (text = "") => text.replace("$", outside);
      const placed = entries.map((entry) => ({ ...entry, name: at(entry.name), target: at(entry.target) }));
      const tar = startTar(tree, { signal: new AbortController().signal });
      tar.stdin.end(tarBytes(...placed, file("good", "well")));
      await tar.gone();
      expect(await scratch.outside()).toBe("canaryalive");
      expect(await listing(outside)).toEqual(before);
      expect((await stat(`${outside}/canary`)).nlink).toBe(1);
      expect(await readFile(`${tree}/good`, "utf8")).toBe("well");
      await expect(readFile("/dev/pileus-test")).rejects.toThrow("ENOENT");
    })(context),
  );
});
