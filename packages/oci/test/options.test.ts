import { expect, it } from "vitest";
import { type OciOptions, oci } from "../src/index.ts";

it.each([
  [{ stallTimeout: Number.NaN }, /stallTimeout: must be a number of milliseconds, 0 or more/],
  [{ stallTimeout: -1 }, /stallTimeout: must be a number of milliseconds/],
  [{ stalltimeout: 1000 }, /stalltimeout: unknown key; did you mean "stallTimeout"/],
  [{ policy: "" }, /policy: must be a path, but is empty/],
  [{ registries: { "h.x": { tlsverify: false } } }, /registries.h.x.tlsverify: unknown key; did you mean "tlsVerify"/],
  [{ registries: { "h.x": { certDir: "/a\0b" } } }, /registries.h.x.certDir: a path cannot contain NUL/],
])("refuses the options %j", (options, words) => {
  expect(() => oci(options as OciOptions)).toThrow(
    expect.objectContaining({ code: "ERR_CONFIG", message: expect.stringMatching(words) }),
  );
});

it("takes a stall timeout of Infinity", () => {
  expect(oci({ stallTimeout: Number.POSITIVE_INFINITY }).name).toBe("oci");
});
