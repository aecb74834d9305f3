import { describe, expect, it } from "vitest";
import { fingerprintOf, hashOf } from "../../src/images/fingerprint.ts";
import { chainId } from "../../src/images/layer-store.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

describe("fingerprintOf", () => {
  it("covers kind, architecture and the order of layers, and not the order of keys", () => {
    const diffIds = [digest("a"), digest("b")];
    const one = fingerprintOf({ kind: "rootfs", architecture: "amd64", diffIds });
    expect(fingerprintOf({ diffIds, architecture: "amd64", kind: "rootfs" })).toBe(one);
    expect(fingerprintOf({ kind: "rootfs", architecture: "arm64", diffIds })).not.toBe(one);
    expect(fingerprintOf({ kind: "rootfs", architecture: "amd64", diffIds: diffIds.toReversed() })).not.toBe(one);
  });

  it("hashes equal values alike, however deep their keys are in another order", () => {
    expect(hashOf({ a: { x: 1, y: [2] } })).toBe(hashOf({ a: { y: [2], x: 1 } }));
  });
});

describe("chainId", () => {
  it("follows the image-spec: first the diff ID, then the hash of both", () => {
    expect(chainId(undefined, digest("a"))).toBe(digest("a"));
    // printf 'sha256:aa… sha256:bb…' | sha256sum
    expect(chainId(digest("a"), digest("b"))).toBe(
      "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c",
    );
  });
});
