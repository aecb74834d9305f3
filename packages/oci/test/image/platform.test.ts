import { describe, expect, it } from "vitest";
import { parseManifest } from "../../src/image/manifest.ts";
import { choosePlatform, normalArchitecture, normalOs } from "../../src/image/platform.ts";
import { bytes, descriptor, digest, OCI } from "../support/documents.ts";

describe("choosePlatform", () => {
  const index = (...platforms: (string | undefined)[]) => {
    const manifests = platforms.map((text, number) => {
      const [os, architecture, variant] = text?.split("/") ?? [];
      return {
        ...descriptor(`${OCI}.manifest.v1+json`, String(number)),
        ...(text ? { platform: { os, architecture, variant } } : {}),
      };
    });
    const parsed = parseManifest("x", bytes({ schemaVersion: 2, manifests }));
    if (parsed.kind !== "index") throw new Error("no index");
    return parsed.index;
  };

  it("chooses the requested architecture, for Linux", () => {
    const many = index("windows/amd64", "linux/arm64/v8", "linux/amd64", "unknown/unknown", undefined);
    expect(choosePlatform("x", many, "amd64").digest).toBe(digest("2"));
    expect(choosePlatform("x", many, "arm64").digest).toBe(digest("1"));
  });

  it("chooses the variant that every processor of the architecture runs", () => {
    expect(choosePlatform("x", index("linux/amd64/v3", "linux/amd64"), "amd64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/amd64/v1", "linux/amd64"), "amd64").digest).toBe(digest("1"));
    expect(() => choosePlatform("x", index("linux/amd64/v3"), "amd64")).toThrow("it has linux/amd64/v3");
  });

  it("knows the names that kernels have for architectures, and those of the baseline's variant", () => {
    expect(choosePlatform("x", index("linux/aarch64/v8", "Linux/x86_64"), "amd64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/arm64/v9", "linux/aarch64/8"), "arm64").digest).toBe(digest("1"));
  });

  it("chooses only images", () => {
    const { manifests, ...rest } = index("linux/amd64", "linux/amd64");
    const [first, second] = manifests.map((entry, at) => ({
      ...entry,
      ...(at === 0 ? { mediaType: "text/plain" } : {}),
    }));
    expect(choosePlatform("x", { ...rest, manifests: [first, second] } as never, "amd64").digest).toBe(digest("1"));
  });

  it("names a limited number of platforms, and reports if none is named", () => {
    const [platform] = index("linux/s0").manifests;
    const manifests = Array.from({ length: 30 }, (_, at) => ({ ...platform, platform: { os: `s${at}` } }));
    expect(() => choosePlatform("x", { schemaVersion: 2, manifests } as never, "amd64")).toThrow(/, s19$/);
    expect(() => choosePlatform("x", index("unknown/unknown"), "amd64")).toThrow("no image that names its platform");
    expect(() => choosePlatform("x", index("unknown/other"), "amd64")).toThrow("no image that names its platform");
    expect(() => choosePlatform("x", index("linux/"), "amd64")).toThrow("it has linux");
    const { platform: _, ...attestation } = { ...platform, mediaType: "text/plain" };
    expect(() => choosePlatform("x", { schemaVersion: 2, manifests: [attestation] } as never, "amd64")).toThrow(
      "no image that names its platform",
    );
  });

  it("chooses a manifest without a platform if nothing else fits", () => {
    expect(choosePlatform("x", index(undefined, "linux/amd64"), "amd64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/arm64", undefined), "amd64").digest).toBe(digest("1"));
  });

  it("names the available platforms when none fits, without attestations", () => {
    expect(() => choosePlatform("x", index("linux/s390x", "linux/arm/v7", "unknown/unknown"), "amd64")).toThrow(
      "it has no linux/amd64; it has linux/s390x, linux/arm/v7",
    );
  });

  it("shows a stranger's text without control characters", () => {
    expect(() => choosePlatform("x", index("li\x1b[2Jnux/\x9bm\n"), "amd64")).toThrow(
      "it has li\ufffd[2Jnux/\ufffdm\ufffd",
    );
  });

  it("reads a variant in capitals, and prefers a missing one to the baseline's", () => {
    expect(choosePlatform("x", index("linux/arm64/V8", "linux/arm64/v9"), "arm64").digest).toBe(digest("0"));
    expect(choosePlatform("x", index("linux/arm64/v8", "linux/arm64"), "arm64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/amd64/1", "linux/amd64/v2"), "amd64").digest).toBe(digest("0"));
  });

  it("treats a manifest with an architecture and no system as one for Linux", () => {
    expect(choosePlatform("x", index("/arm64", "/amd64"), "amd64").digest).toBe(digest("1"));
  });

  it("does not treat a manifest with half of another platform as one without a platform", () => {
    for (const half of ["/s390x", "linux", "windows"])
      expect(() => choosePlatform("x", index(half), "amd64")).toThrow("it has no linux/amd64");
  });

  it("treats a null platform as none, and follows an index to an image", () => {
    const [first, second] = index("linux/amd64", "linux/amd64").manifests;
    const choose = (...manifests: unknown[]) =>
      choosePlatform("x", { schemaVersion: 2, manifests } as never, "amd64").digest;
    expect(choose({ ...first, platform: null })).toBe(digest("0"));
    expect(choose({ ...first, platform: null }, second)).toBe(digest("1"));
    expect(choose({ ...first, mediaType: `${OCI}.index.v1+json` })).toBe(digest("0"));
  });
});

describe("the names of a platform", () => {
  it.each([
    ["amd64", "amd64"],
    ["x86_64", "amd64"],
    ["X86-64", "amd64"],
    ["AArch64", "arm64"],
    ["arm64", "arm64"],
    ["MIPS", "mips"],
    ["", undefined],
    [null, undefined],
    [undefined, undefined],
  ])("of an architecture: %j is %j", (name, expected) => {
    expect(normalArchitecture(name)).toBe(expected);
  });

  it.each([
    ["Linux", "linux"],
    ["WINDOWS", "windows"],
    ["", "linux"],
    [null, "linux"],
    [undefined, "linux"],
  ])("of a system: %j is %j", (name, expected) => {
    expect(normalOs(name)).toBe(expected);
  });
});
