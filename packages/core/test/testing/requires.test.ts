import { lacking, requires } from "@pileus/core/testing";
import { afterEach, expect, it, vi } from "vitest";

afterEach(() => vi.unstubAllEnvs());

const run = async (needs: Parameters<typeof requires>[0]) => {
  const skipped: string[] = [];
  let ran = false;
  const test = requires(needs, () => {
    ran = true;
  });
  await test({ skip: (reason = "") => void skipped.push(reason) });
  return { skipped, ran };
};

it("runs a test whose needs are met", async () => {
  expect(await run(["binary:node", "file:/proc/self/status"])).toEqual({ skipped: [], ran: true });
});

it("skips a test with the reason when a need is not met", async () => {
  vi.stubEnv("PILEUS_REQUIRE", "root,binary:sh");
  expect(await run(["binary:no-such-tool"])).toEqual({
    skipped: ["needs binary:no-such-tool: no-such-tool is not on PATH"],
    ran: false,
  });
});

it("fails a test whose need is promised and not met", async () => {
  vi.stubEnv("PILEUS_REQUIRE", "root,binary:no-such-tool");
  await expect(run(["binary:no-such-tool"])).rejects.toThrow("binary:no-such-tool is required here");
  vi.stubEnv("PILEUS_REQUIRE", "all");
  await expect(run(["file:/no/such/file"])).rejects.toThrow("file:/no/such/file is required here");
});

it("refuses a need that it does not know", () => {
  expect(() => lacking("rooot" as "root")).toThrow("rooot");
});
