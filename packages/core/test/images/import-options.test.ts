import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors/all.ts";
import { assertImportOptions } from "../../src/images/import-options.ts";

describe("the options of an import", () => {
  it.each([
    [{ aliases: ["-x"] }, "aliases.0"],
    [{ aliases: ["a b"] }, "aliases.0"],
    [{ aliases: ["abcdefabcdef"] }, "aliases.0: an alias must not look like a fingerprint"],
    [{ digest: "md5:1" }, "digest"],
    [{ architecture: "vax" }, "architecture"],
    [{ digset: `sha256:${"0".repeat(64)}` }, 'digset: unknown key; did you mean "digest"?'],
    [{ registry: { tlsverify: false } }, 'registry.tlsverify: unknown key; did you mean "tlsVerify"?'],
    [{ registry: { tlsVerify: "no" } }, "registry.tlsVerify"],
    [null, "import options"],
  ])("refuses %j", (options, message) => {
    expect(() => assertImportOptions(options)).toThrow(ConfigError);
    expect(() => assertImportOptions(options)).toThrow(message);
  });

  it("accepts every option, and names like those of registries", () => {
    assertImportOptions({
      signal: new AbortController().signal,
      onProgress: () => undefined,
      aliases: ["debian/12", "127.0.0.1:5000/redis:7", "x"],
      digest: `sha256:${"0".repeat(64)}`,
      architecture: "amd64",
      registry: { tlsVerify: false, certDir: "/c", authFile: undefined },
    });
    assertImportOptions({});
  });
});
