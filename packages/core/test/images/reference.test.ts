import { describe, expect, it } from "vitest";
import { ConfigError, NotFoundError } from "../../src/contract/errors.ts";
import { resolveReference } from "../../src/images/reference.ts";

const first = `sha256:${"ab".repeat(32)}`;
const second = `sha256:${"ab".repeat(8)}${"cd".repeat(24)}`;
const aliases = { debian: first, gone: `sha256:${"0".repeat(64)}` };
const resolve = (reference: string) => resolveReference(reference, [first, second], aliases);

describe("resolveReference", () => {
  it.each([
    ["an alias", "debian", first],
    ["a fingerprint", first, first],
    ["a fingerprint without its algorithm", first.slice(7), first],
    ["a unique prefix", second.slice(7, 30), second],
    ["a unique prefix with its algorithm", second.slice(0, 30), second],
  ])("takes %s", (_what, reference, expected) => {
    expect(resolve(reference)).toBe(expected);
  });

  it("refuses a prefix of several, and names how many", () => {
    expect(() => resolve("ab".repeat(6))).toThrow(ConfigError);
    expect(() => resolve("ab".repeat(6))).toThrow(/2 fingerprints/);
  });

  it.each(["nothing", "abababababa", "gone", "__proto__", "", "ff".repeat(32)])("has no image for %j", (reference) => {
    expect(() => resolve(reference)).toThrow(NotFoundError);
  });
});
