import { resolve } from "node:path";
import { isInstanceError } from "@pileus/core";
import { describe, expect, it, vi } from "vitest";
import { type ImageReference, isRefName, parseReference, renderReference } from "../../src/image/reference.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("parseReference", () => {
  const docker = (registry: string, name: string, tag?: string, digest?: string): ImageReference => ({
    transport: "docker",
    registry,
    name,
    tag,
    digest,
  });

  it.each<[string, ImageReference]>([
    ["docker://127.0.0.1:5000/redis:7", docker("127.0.0.1:5000", "redis", "7")],
    ["docker://[::1]:5000/a", docker("[::1]:5000", "a", "latest")],
    ["docker://localhost/a", docker("localhost", "a", "latest")],
    ["docker://redis", docker("docker.io", "library/redis", "latest")],
    ["docker://redis:7", docker("docker.io", "library/redis", "7")],
    ["docker://team/app", docker("docker.io", "team/app", "latest")],
    ["docker://ghcr.io/a/b__c/d-e.f:V1.0_x", docker("ghcr.io", "a/b__c/d-e.f", "V1.0_x")],
    [`docker://h:1/a@${DIGEST}`, docker("h:1", "a", undefined, DIGEST)],
    [`docker://h:1/a:t@${DIGEST}`, docker("h:1", "a", "t", DIGEST)],
    ["docker://a:65535/b", docker("a:65535", "b", "latest")],
    [`docker://h.x/${"a".repeat(255)}`, docker("h.x", "a".repeat(255), "latest")],
    [`docker://h.x/a:${"t".repeat(128)}`, docker("h.x", "a", "t".repeat(128))],
    ["docker://h-1.x/a/b-c", docker("h-1.x", "a/b-c", "latest")],
    [`oci:/${"a".repeat(4091)}`, { transport: "oci", path: `/${"a".repeat(4091)}`, tag: undefined }],
    [`oci:/a:${"t".repeat(255)}`, { transport: "oci", path: "/a", tag: "t".repeat(255) }],
    ["docker-archive:/a.tar:@123456789", { transport: "docker-archive", path: "/a.tar", name: "@123456789" }],
    ["oci:relative", { transport: "oci", path: resolve("relative"), tag: undefined }],
    ["oci:/srv/layout", { transport: "oci", path: "/srv/layout", tag: undefined }],
    ["oci:/srv/layout:a/b:1", { transport: "oci", path: "/srv/layout", tag: "a/b:1" }],
    ["oci:/srv/../etc/./x:1", { transport: "oci", path: "/etc/x", tag: "1" }],
    ["oci-archive:/a b.tar", { transport: "oci-archive", path: "/a b.tar", tag: undefined }],
    ["docker-archive:/a.tar", { transport: "docker-archive", path: "/a.tar", name: undefined }],
    ["docker-archive:/a.tar:redis:7", { transport: "docker-archive", path: "/a.tar", name: "redis:7" }],
    ["docker-archive:/a.tar:@0", { transport: "docker-archive", path: "/a.tar", name: "@0" }],
  ])("reads %s", (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  it.each([
    ["", "must begin with"],
    ["redis", "must begin with"],
    ["docker:redis", "must begin with"],
    ["docker://", "cannot be part of a repository's name"],
    ["docker:///a", "cannot be part of"],
    ["docker://host.x/", "cannot be part of"],
    ["docker://host.x/A", "cannot be part of"],
    ["docker://host.x/a//b", "cannot be part of"],
    ["docker://host.x/a/../b", "cannot be part of"],
    ["docker://host.x/a___b", "cannot be part of"],
    ["docker://host.x/a:", "is not a tag"],
    ["docker://host.x/a:.t", "is not a tag"],
    [`docker://host.x/a:${"t".repeat(129)}`, "is not a tag"],
    ["docker://host.x/a@sha256:1234", "is not a digest"],
    [`docker://host.x/a@md5:${"0".repeat(32)}`, "is not a digest"],
    ["docker://host.x:99999/a", "is not a host"],
    ["docker://user@host.x/a", "is not a digest"],
    ["docker://-host.x/a", "is not a host"],
    ["docker://host.x/a b", "cannot be part of"],
    ["docker://host.x/a\n", "cannot be part of"],
    [`docker://host.x/${"a".repeat(256)}`, "longer than 255"],
    ["oci:", "names no path"],
    ["oci::tag", "names no path"],
    ["oci:/a\0b", "control character"],
    ["oci:/a\nb", "control character"],
    ["oci:/a:--policy", "not a name of an image"],
    ["oci:/a:x y", "not a name of an image"],
    ["docker-archive:/a:UPPER", "cannot be part of"],
    [`docker-archive:/a:x@${DIGEST}`, "no digests"],
    [`oci:/${"a".repeat(4092)}`, "longer than 4096"],
    [`oci:/a:${"t".repeat(256)}`, "not a name of an image"],
    ["docker://host.x:65536/a", "is not a host"],
    ["docker://host.x-/a", "is not a host"],
    ["docker://host.x/a:-t", "is not a tag"],
    ["docker://host.x/-a", "cannot be part of"],
    ["docker://host.x/a-", "cannot be part of"],
    ["docker://LOCALHOST/a", "cannot be part of"],
    [`docker://host.x/a@x${DIGEST}`, "is not a digest"],
    [`docker://host.x/a@${DIGEST}0`, "is not a digest"],
    ["docker-archive:/a:@1234567890", "is not a digest"],
    ["docker-archive:/a:x@0", "is not a digest"],
    ["oci:/a\x1f", "control character"],
    ["oci:/a\x7f", "control character"],
    ["xoci:/a", "must begin with"],
    ["docker://h:/a", "is not a host"],
    ["docker://[::1]:70000/a", "is not a host"],
    [`docker://@${DIGEST}`, "cannot be part of"],
    ["docker://:7", '"" cannot be part of'],
  ])("refuses %j, saying that %s", (text, message) => {
    expect(() => parseReference(text)).toThrow(message);
  });

  it("quotes the beginning of a refused reference, and names no part of a config", () => {
    expect(() => parseReference("x".repeat(5000))).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^.{0,500}$/),
        issues: [{ path: [], message: expect.any(String) }],
      }),
    );
  });

  it("refuses an archive by a relative path if the working folder has a colon, where skopeo would split it", () => {
    const folder = vi.spyOn(process, "cwd").mockReturnValue("/with:colon");
    try {
      for (const transport of ["oci-archive", "docker-archive"])
        expect(() => parseReference(`${transport}:a.tar`)).toThrow("the working folder has a colon");
      expect(parseReference("oci-archive:/a.tar")).toMatchObject({ path: "/a.tar" });
      expect(parseReference("oci:layout")).toMatchObject({ path: "/with:colon/layout" });
    } finally {
      folder.mockRestore();
    }
  });

  it("returns a reference that skopeo accepts, or refuses, for any input", () => {
    const parts = [
      "docker://",
      "oci:",
      "oci-archive:",
      "docker-archive:",
      "a",
      "B",
      "/",
      ":",
      "@",
      "-",
      "--",
      ".",
      "_",
    ];
    parts.push("\n", "\0", " ", "é", "[::1]", "localhost", "1", DIGEST, "..", "h.x", ":5000/", "'", '"', "$(x)");
    const random = generator(42);
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: 1 + random(9) }, () => parts[random(parts.length)]).join("");
      let reference: ImageReference;
      try {
        reference = parseReference(text);
      } catch (error) {
        if (!isInstanceError(error, "ERR_CONFIG")) throw error;
        continue;
      }
      accepted++;
      const rendered = renderReference(reference);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      expect(rendered).not.toMatch(/[\0-\x1f]/);
      expect(renderReference(parseReference(rendered))).toBe(rendered);
    }
    expect(accepted).toBeGreaterThan(100);
  });

  it("answers in linear time", () => {
    for (const piece of ["a-", "a.", "a_", "-", "a/", "a:", "@"]) {
      const started = performance.now();
      for (const prefix of ["docker://h.x/", "oci:/x:", "docker://"])
        try {
          parseReference(`${prefix}${piece.repeat(1900)}!`);
        } catch (error) {
          if (!isInstanceError(error)) throw error;
        }
      expect(performance.now() - started).toBeLessThan(500);
    }
  });
});

describe("renderReference", () => {
  it.each([
    "docker://h.x/a:t",
    "oci:/srv/layout",
    "oci:/srv/layout:a/b:1",
    "oci-archive:/a.tar",
    "oci-archive:/a.tar:1",
    "docker-archive:/a.tar",
    "docker-archive:/a.tar:redis:7",
    "docker-archive:/a.tar:@0",
  ])("returns %s unchanged", (text) => {
    expect(renderReference(parseReference(text))).toBe(text);
  });

  it("pins only a repository", () => {
    expect(renderReference(parseReference("docker://redis:7"), DIGEST)).toBe(
      `docker://docker.io/library/redis@${DIGEST}`,
    );
    expect(renderReference(parseReference("oci:/a:1"), DIGEST)).toBe("oci:/a:1");
  });

  it("prefers a digest to a tag, because skopeo refuses both at once", () => {
    const reference = parseReference(`docker://h.x/a:t@${DIGEST}`);
    expect(renderReference(reference)).toBe(`docker://h.x/a@${DIGEST}`);
    const other = `sha256:${"f".repeat(64)}`;
    expect(renderReference(reference, other)).toBe(`docker://h.x/a@${other}`);
  });
});

describe("isRefName", () => {
  it.each(["a", "1", "a-b", "a--b", "a.b_c:d@e+f", "a/b", "a/b-c/d", "a".repeat(255)])("takes %j", (name) => {
    expect(isRefName(name)).toBe(true);
  });

  it.each(["", "-a", "a-", "a/", "/a", "a//b", "a..b", "a---b", "a b", "a\n", "a/-b", "a".repeat(256)])(
    "refuses %j",
    (name) => {
      expect(isRefName(name)).toBe(false);
    },
  );
});

/** Numbers below `limit`, the same in every run (mulberry32). */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}
