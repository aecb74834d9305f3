import { expect, it } from "vitest";
import { hostArchitecture } from "../../src/system/architecture.ts";

it("a host's architecture has its OCI name, or is refused when no image can be for it", () => {
  expect(hostArchitecture("x64")).toBe("amd64");
  expect(hostArchitecture("arm64")).toBe("arm64");
  expect(() => hostArchitecture("riscv64")).toThrow(/architecture:amd64\|arm64 .*riscv64/);
});
