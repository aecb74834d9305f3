import { describe, expect, it } from "vitest";
import { HostError } from "../../src/errors/all.ts";
import { loadKoffi } from "../../src/system/ffi.ts";
import { assertNode } from "../../src/system/node-only.ts";

function thrownBy(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

describe("a process that opens a host", () => {
  it("is told the fix when the native module of koffi is not installed", () => {
    const cause = new Error("Cannot find the native Koffi module; did you bundle it correctly?");
    const error = thrownBy(() =>
      loadKoffi(() => {
        throw cause;
      }),
    );
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({
      cause,
      missing: [{ need: "package:koffi", reason: cause.message, fix: expect.stringContaining("--include=optional") }],
    });
  });

  it.each([
    ["Bun", { node: "26.3.0", bun: "1.4.4" }],
    ["Deno", { node: "26.3.0", deno: "2.9.6" }],
  ])("is refused on %s, with what to run instead", (name, versions) => {
    const error = thrownBy(() => assertNode("open the host at /srv", versions));
    expect(error).toBeInstanceOf(HostError);
    expect((error as HostError).missing).toEqual([
      {
        need: "node",
        reason: expect.stringMatching(`^this is ${name} \\d`),
        fix: expect.stringContaining("Node 20.19"),
      },
    ]);
  });

  it("may be Node", () => {
    expect(thrownBy(() => assertNode("open the host at /srv", process.versions))).toBeUndefined();
  });
});
