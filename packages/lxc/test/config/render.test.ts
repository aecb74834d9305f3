import { describe, expect, it } from "vitest";
import { renderConfig } from "../../src/config/render.ts";

/** Reads a configuration as liblxc does: confile.c, parse_line and its callers. */
function readAsLiblxc(text: string): [string, string][] {
  return text
    .split("\n")
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const cut = line.indexOf("=");
      let value = line.slice(cut + 1).trim();
      const [first, last] = [value[0], value.at(-1)];
      if (value.length > 1 && (first === '"' || first === "'") && first === last) value = value.slice(1, -1);
      return [line.slice(0, cut).trim(), value];
    });
}

/** Linear congruential, so that a failure comes again. Numerical Recipes' constants. */
function* random(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe("the renderer", () => {
  it("keeps every value on its line, and liblxc reads exactly that value", () => {
    const alphabet = [
      "a",
      " ",
      "\t",
      '"',
      "'",
      "=",
      "#",
      "\\",
      "$",
      "lxc.",
      "lxc.hook.pre-start = x",
      ",",
      ":",
      "ü",
      "\u2028",
      "",
    ];
    const numbers = random(20_260_801);
    const draw = () => numbers.next().value as number;
    for (let round = 0; round < 5000; round += 1) {
      const pieces = Array.from(
        { length: Math.floor(draw() * 6) },
        () => alphabet[Math.floor(draw() * alphabet.length)],
      );
      const value = pieces.join("");
      const text = renderConfig([["lxc.environment", value]]);
      expect(readAsLiblxc(text), JSON.stringify(value)).toEqual([["lxc.environment", value]]);
    }
  });
  it.each(["a\nlxc.hook.start = /bin/sh", "a\rb", "a\0b"])("refuses %j, which no line can hold", (value) => {
    const refused = () => renderConfig([["lxc.uts.name", value]]);
    expect(refused).toThrow(/line break or NUL/);
    expect(refused).toThrow(expect.objectContaining({ issues: [expect.objectContaining({ path: ["lxc.uts.name"] })] }));
  });
  it("refuses a key that liblxc does not have", () => {
    expect(() => renderConfig([["lxc.uts.name = x\nlxc.rootfs.path", "y"]])).toThrow(/not a key of liblxc/);
  });

  it.each(["lxc", "lxc.", "xlxc.a", "lxc.a b", "lxc.a.", "lxc..a", "lxc.A", ""])("writes no key %j", (key) => {
    expect(() => renderConfig([[key, "y"]])).toThrow(/not a key of liblxc/);
  });
  it("quotes only values that would be trimmed", () => {
    const value = (text: string) => renderConfig([["lxc.net.0.a_b", text]]);
    expect(value("plain text")).toBe("lxc.net.0.a_b = plain text\n");
    for (const text of [" a", "a ", '"a', "a'", "\ta", ""])
      expect(value(text)).toBe(`lxc.net.0.a_b = ${text === "" ? "" : `"${text}"`}\n`);
  });
});
