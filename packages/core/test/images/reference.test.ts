import { describe, expect, it } from "vitest";
import { ConfigError, NotFoundError } from "../../src/errors/all.ts";
import { AliasSchema, resolveReference } from "../../src/images/reference.ts";

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

  it("accepts from twelve digits up to all of them", () => {
    const other = `sha256:${"ef".repeat(32)}`;
    const find = (reference: string) => resolveReference(reference, [other], {});
    expect(find("efefefefefef")).toBe(other);
    for (const reference of ["efefefefefe", `${other}0`, ` ${other}`, "sha512:efefefefefef", "EFEFEFEFEFEF"])
      expect(() => find(reference)).toThrow(NotFoundError);
  });

  it("says what to do about an unknown name, but not about unknown digits", () => {
    expect(() => resolve("nothing")).toThrow(/import it first/);
    expect(() => resolve("ff".repeat(32))).not.toThrow(/import it first/);
  });

  it("refuses a prefix of several images, and says of how many", () => {
    expect(() => resolve("ab".repeat(6))).toThrow(ConfigError);
    expect(() => resolve("ab".repeat(6))).toThrow(/2 fingerprints/);
    expect(() => resolve("ab".repeat(6))).toThrow(
      expect.objectContaining({ issues: [expect.objectContaining({ path: [] })] }),
    );
  });

  it.each(["nothing", "abababababa", "gone", "__proto__", "", "ff".repeat(32)])(
    "finds no image for %j",
    (reference) => {
      expect(() => resolve(reference)).toThrow(NotFoundError);
    },
  );
});

describe("AliasSchema", () => {
  it.each([
    "a",
    "9",
    "debian/12",
    "a.b_c:d@e-f",
    "a".repeat(128),
    "cafe",
    "sha256:cafe",
    "g".repeat(12),
    "0".repeat(65),
  ])("takes %j", (alias) => {
    expect(AliasSchema.safeParse(alias).success).toBe(true);
  });

  it.each(["", "-a", ".a", "a b", "a\n", "a".repeat(129), "0".repeat(12), "0".repeat(64), `sha256:${"0".repeat(12)}`])(
    "refuses %j",
    (alias) => {
      expect(AliasSchema.safeParse(alias).success).toBe(false);
    },
  );
});
