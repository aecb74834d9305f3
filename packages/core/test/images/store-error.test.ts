import { describe, expect, it } from "vitest";
import { HostError, ImageError } from "../../src/contract/errors.ts";
import { storeError } from "../../src/images/store-error.ts";

const system = (code: string) => Object.assign(new Error(`${code}: failed, open '/x'`), { code, syscall: "open" });

describe("storeError", () => {
  it.each([
    ["ENOSPC", /no space is left.*fix: free some/],
    ["EDQUOT", /no space is left.*fix: free some/],
    ["EMFILE", /too many files are open.*fix: raise the limit/],
    ["EIO", /EIO.*fix: look at the file system of \/store/],
  ])("says what to do about %s", (code, message) => {
    const error = storeError("img", "/store", system(code));
    expect(error).toBeInstanceOf(HostError);
    expect((error as HostError).message).toMatch(message);
  });

  it("leaves errors of the contract, and those of callers, as they are", () => {
    for (const error of [new ImageError("img", "bad"), new RangeError("a listener's")])
      expect(storeError("img", "/store", error)).toBe(error);
  });

  it("tells the failure that began it, not what failed in clearing up", () => {
    const first = new ImageError("img", "bad");
    const suppressed = Object.assign(new Error(), {
      name: "SuppressedError",
      error: system("EBUSY"),
      suppressed: first,
    });
    expect(storeError("img", "/store", suppressed)).toBe(first);
  });
});
