import { describe, expect, it } from "vitest";
import { isNameText, nameBytes, nameText } from "../../src/text/byte-name.ts";

const cases: readonly (readonly [string, readonly number[]])[] = [
  ["plain", [0x70, 0x6c, 0x61, 0x69, 0x6e]],
  ["", []],
  ["\ufeffé☁😀", [0xef, 0xbb, 0xbf, 0xc3, 0xa9, 0xe2, 0x98, 0x81, 0xf0, 0x9f, 0x98, 0x80]],
  ["\udcff", [0xff]],
  ["a\udce8/\udce9", [0x61, 0xe8, 0x2f, 0xe9]],
  // A surrogate that somebody encoded, an overlong slash, and a character that is cut off.
  ["\udced\udcb3\udcbf", [0xed, 0xb3, 0xbf]],
  ["\udcc0\udcaf", [0xc0, 0xaf]],
  ["☁\udce2\udc98", [0xe2, 0x98, 0x81, 0xe2, 0x98]],
  ["\ufffd", [0xef, 0xbf, 0xbd]],
];

describe("names as text", () => {
  for (const [text, bytes] of cases) {
    it(`are ${JSON.stringify(text)} for ${Buffer.from(bytes).toString("hex") || "no bytes"}, and lead back to them`, () => {
      expect(nameText(Buffer.from(bytes))).toBe(text);
      expect([...nameBytes(text)]).toEqual(bytes);
      expect(JSON.parse(JSON.stringify(text))).toBe(text);
    });
  }
  it("represent any two bytes reversibly", () => {
    for (let both = 0; both < 65_536; both += 1) {
      const bytes = Buffer.from([both >>> 8, both & 0xff]);
      if (!nameBytes(nameText(bytes)).equals(bytes)) expect.fail(bytes.toString("hex"));
    }
  });
  it("do not accept a surrogate that does not represent a byte", () => {
    for (const text of ["\ud800", "a\udc2f", "\udc00", "\udfff", "\udd00"]) {
      expect(isNameText(text), JSON.stringify(text)).toBe(false);
      expect(() => nameBytes(text)).toThrow(RangeError);
    }
    for (const text of ["😀", "\udc80", "\udcff\udc80"]) expect(isNameText(text)).toBe(true);
  });
});
