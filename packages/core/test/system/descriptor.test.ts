import { closeSync, fstatSync, ftruncateSync, readFileSync, writeSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { sealedFile } from "../../src/system/descriptor.ts";

it("makes a file that nobody can change, not even who has it open", () => {
  const fd = sealedFile("pileus-test", Buffer.from("content"), 0o444);
  onTestFinished(() => closeSync(fd));
  expect(readFileSync(`/proc/self/fd/${fd}`, "latin1")).toBe("content");
  expect(fstatSync(fd).mode & 0o7777).toBe(0o444);
  const changes = [() => writeSync(fd, "C", 0), () => ftruncateSync(fd, 3), () => ftruncateSync(fd, 30)];
  for (const change of changes) expect(change).toThrow("EPERM");
  expect(readFileSync(`/proc/self/fd/${fd}`, "latin1")).toBe("content");
});

it("lets nobody but root read a helper, so that no program may look into its process", () => {
  const fd = sealedFile("pileus-test", Buffer.from("content"));
  onTestFinished(() => closeSync(fd));
  expect(fstatSync(fd).mode & 0o7777).toBe(0o111);
});
