import { expect, it } from "vitest";
import { hostArchitecture } from "../../src/system/architecture.ts";

it("a host's architecture has its OCI name, and one that images cannot be for is not taken for another", () => {
  expect(hostArchitecture("x64")).toBe("amd64");
  expect(hostArchitecture("arm64")).toBe("arm64");
  expect(() => hostArchitecture("riscv64")).toThrow(/architecture:amd64\|arm64 .*riscv64/);
});
