import { spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemError } from "../../src/errors/system-error.ts";
import { LocalFiles, plainAccess } from "../../src/files/index.ts";
import { nativeFileCalls } from "../../src/system/syscall.ts";
import { owner, write } from "./support/root.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-killed-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Has a process bring half a file to the root, and kills it. */
async function killMidway(call: "write" | "writeTree"): Promise<void> {
  const script = fileURLToPath(new URL("support/killed-writer.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=@pileus/source", script, root, call], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), gone.then(() => Promise.reject(new Error("it ended by itself")))]);
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

describe.each(["write", "writeTree"] as const)("a process that is killed within %s", (call) => {
  it("leaves nothing where no file was before", async () => {
    await killMidway(call);
    expect(await readdir(root)).toEqual([]);
  });
  it("leaves the old content of a file, and no temporary file", async () => {
    await writeFile(join(root, "file"), "old");
    await killMidway(call);
    expect(await readdir(root)).toEqual(["file"]);
    expect(await readFile(join(root, "file"), "utf8")).toBe("old");
  });
});

describe("a file system without unnamed files", () => {
  it("is written to through a temporary name that does not remain", async () => {
    const plain = plainAccess(root, nativeFileCalls());
    let seen: string[] = [];
    const files = new LocalFiles({
      ...plain,
      createFile(as, open) {
        const fd = plain.createFile(as, open);
        // What Node makes of EOPNOTSUPP.
        if (fstatSync(fd).nlink === 0) throw systemError("ENOTSUP", root);
        return fd;
      },
    });
    const { stream, done } = await files.write("/file", owner);
    seen = await readdir(root);
    stream.end("first");
    await done;
    await write(files, "/file", "second");
    expect(seen).toEqual([expect.stringMatching(/^\.pileus-/)]);
    expect(await readdir(root)).toEqual(["file"]);
    expect(await readFile(join(root, "file"), "utf8")).toBe("second");
  });
});
