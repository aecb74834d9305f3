import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { spawn } from "../../../src/system/spawn.ts";
import { requires } from "../../../src/testing/requires.ts";
import { ImportProcess } from "../support/import-process.ts";
import { Scratch } from "../support/scratch.ts";

/** Runs a command in a mount namespace of its own, in which `script` has taken the place of `tool`. */
async function replacing(tool: string, scratch: Scratch, script: string): Promise<readonly string[]> {
  const path = await scratch.write(`fake-${tool}`, script);
  await chmod(path, 0o755);
  const mounting = 'mount --bind "$0" "$(readlink -f "$(command -v "$1")")" && shift && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", mounting, path, tool];
}

/** What a process wrote into a FIFO until it closed it. Fails when nothing opens it in time. */
const readFifo = async (path: string) => (await spawn(["timeout", "60", "cat", path])).stdout;

describe("an import's tools", () => {
  it(
    "that outlive a killed process keep its draft from the next one, and the draft goes when they have ended",
    requires(["root", "binary:unshare"], async () => {
      await using scratch = await Scratch.make();
      const [begun, go, ended] = ["begun", "go", "ended"].map((name) => scratch.path(name));
      await spawn(["mkfifo", `${begun}`, `${go}`, `${ended}`]);
      const disk = Buffer.alloc(2 ** 20);
      // The mark of a partition table.
      disk.writeUInt16LE(0xaa55, 510);
      const source = await scratch.write("raw", disk);
      // A child of cp is not killed with it, and goes on writing.
      const script = `#!/bin/sh
for target; do :; done
{ echo begun >${begun}; read -r _ <${go}; echo late >"$target" && echo wrote >${ended} || echo failed >${ended}; } &
wait
`;
      const under = await replacing("cp", scratch, script);
      await using victim = ImportProcess.start(scratch.root, source, { under });
      expect(await readFifo(`${begun}`)).toBe("begun\n");
      await victim.kill();
      await using store = await scratch.open();
      expect((await store.import(source)).kind).toBe("disk");
      await writeFile(`${go}`, "\n");
      expect(await readFifo(`${ended}`)).toBe("wrote\n");
      // The tool's last descriptors close when it ends, which is a moment after its last word.
      for (const lock of await drafts(scratch)) await spawn(["flock", "--timeout", "60", lock, "true"]);
      for (const { fingerprint } of await store.list()) await store.delete(fingerprint);
      await using _next = await scratch.open();
      expect(await scratch.remains()).toEqual([]);
    }),
  );

  it(
    "that read a stranger's qcow2 run in a cell, which has none of the mounts around it",
    requires(["root", "binary:nsenter", "binary:unshare", "binary:qemu-img"], async () => {
      await using scratch = await Scratch.make();
      const source = scratch.path("d.qcow2");
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", source, "64k"]);
      await mkdir(scratch.root, { mode: 0o700 });
      const script = `#!/bin/sh\necho dead >${scratch.path("outside/canary")}\necho '{"virtual-size":1,"format":"qcow2"}'\n`;
      const under = await replacing("qemu-img", scratch, script);
      await using importing = ImportProcess.start(scratch.root, source, { under });
      const { fingerprint } = await importing.result();
      expect(await readFile(scratch.path("outside/canary"), "utf8")).toBe("alive");
      await using store = await scratch.open();
      expect(await store.get(fingerprint)).toMatchObject({ properties: { virtualSize: "65536" } });
    }),
  );
});

/** The locks of the drafts in a store. */
async function drafts(scratch: Scratch): Promise<readonly string[]> {
  const { stdout } = await spawn(["find", scratch.root, "-path", "*/drafts/*.lock"]);
  return stdout.split("\n").filter((line) => line !== "");
}
