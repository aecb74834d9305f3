import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { lostAttribute } from "../../../src/images/layer/unpack.ts";

describe("an attribute that tar could not set", () => {
  const line = (reason: string) =>
    `tar: setxattrat: Cannot set 'user.big' extended attribute for file 'd/f': ${reason}`;

  it("is an error of the image that names the attribute, even on a full disk", () => {
    const error = lostAttribute("img", line("No space left on device"));
    expect(error).toBeInstanceOf(ImageError);
    expect(error?.message).toMatch(
      /attribute user\.big of "d\/f" cannot be kept .* a few KiB .*: No space left on device/,
    );
    expect(lostAttribute("img", line("Argument list too long"))?.message).toMatch(/user\.big.*too long/);
  });

  it("is not recognised where the file system has no attributes, or in another message", () => {
    expect(lostAttribute("img", line("Operation not supported"))).toBeUndefined();
    expect(lostAttribute("img", "tar: f: Cannot write: No space left on device")).toBeUndefined();
  });
});
