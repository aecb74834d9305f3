import { describe, expect, it } from "vitest";
import { CommandError, HostError } from "../../src/contract/errors.ts";
import { runTool, startTool } from "../../src/images/tool.ts";

const failure = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);

describe("a tool that bytes stream through", () => {
  it("rejects with HostError and the package to install when it is missing", async () => {
    const error = await failure(runTool(["pileus-no-such-tool"], { fromPackage: "some-package" }));
    expect(error).toBeInstanceOf(HostError);
    expect(error instanceof HostError && error.missing).toEqual([
      { need: "binary:pileus-no-such-tool", reason: "not on PATH", fix: "apt-get install some-package" },
    ]);
  });

  it("rejects with what it said last when it fails", async () => {
    const error = await failure(runTool(["sh", "-c", "echo broken >&2; exit 3"], { fromPackage: "dash" }));
    expect(error).toBeInstanceOf(CommandError);
    expect(error).toMatchObject({ exitCode: 3, stderr: "broken\n", argv: ["sh", "-c", "echo broken >&2; exit 3"] });
  });

  it("is killed by an abort, which rejects with its own reason", async () => {
    const controller = new AbortController();
    const lines: string[] = [];
    const run = runTool(["sh", "-c", "echo up >&2; exec cat /dev/zero >/dev/null"], {
      fromPackage: "dash",
      signal: controller.signal,
      onLine: (line) => {
        lines.push(line);
        controller.abort("enough");
      },
    });
    expect(await failure(run)).toBe("enough");
    expect(lines).toEqual(["up"]);
  });

  it("gets nothing of this process's environment but what is given", async () => {
    process.env["PILEUS_SECRET"] = "x";
    try {
      expect(await runTool(["env"], { fromPackage: "coreutils" })).not.toContain("SECRET");
    } finally {
      delete process.env["PILEUS_SECRET"];
    }
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
