import { describe, expect, it } from "vitest";
import { startTool } from "../../src/images/tool.ts";

describe("a tool that bytes stream through", () => {
  it("is killed by an abort, and tells each line until then", async () => {
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
