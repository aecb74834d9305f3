import { describe, expect, it } from "vitest";
import { acquireLock, isHeld } from "../../src/system/lock.ts";
import { startTool } from "../../src/system/stream-tool.ts";
import { Scratch } from "../images/support/scratch.ts";

describe("a tool in a stream of bytes", () => {
  it("is killed by an abort, and reports each line until then", async () => {
    const controller = new AbortController();
    const lines: string[] = [];
    const tool = startTool(["sh", "-c", "echo up >&2; exec cat /dev/zero >/dev/null"], {
      fromPackage: "dash",
      signal: controller.signal,
      onLine: (line) => {
        lines.push(line);
        controller.abort("enough");
      },
    });
    await expect(tool.succeeded()).rejects.toMatchObject({ signal: "SIGKILL" });
    expect(lines).toEqual(["up"]);
  });

  it("is not started once the signal has aborted", () => {
    const signal = AbortSignal.abort("enough");
    const start = () => startTool(["cat"], { fromPackage: "coreutils", signal });
    expect(start).toThrow("enough");
  });

  it("rejects with HostError and the package to install when it is missing", async () => {
    const { signal } = new AbortController();
    const tool = startTool(["pileus-no-such-tool"], { fromPackage: "some-package", signal });
    await expect(tool.succeeded()).rejects.toThrow("apt-get install some-package");
    expect(tool.missing).toBe(true);
  });

  it("keeps a lock that it inherits until it has ended, even if this process releases it", async () => {
    await using scratch = await Scratch.make();
    const path = scratch.path("lock");
    const lock = await acquireLock(path);
    const { signal } = new AbortController();
    const tool = startTool(["cat"], { fromPackage: "coreutils", descriptors: [lock.descriptor], signal });
    // As the death of this process would.
    await lock.release();
    expect(await isHeld(path)).toBe(true);
    tool.stdin.end();
    await tool.succeeded();
    expect(await isHeld(path)).toBe(false);
  });

  it("passes bytes on as one stage of a pipeline", async () => {
    const tool = startTool(["tr", "a", "b"], { fromPackage: "coreutils", signal: new AbortController().signal });
    const stage = tool.duplex();
    stage.end("banana");
    let text = "";
    for await (const chunk of stage) text += String(chunk);
    await tool.succeeded();
    expect(text).toBe("bbnbnb");
  });
});
