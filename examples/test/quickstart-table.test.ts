import { HostError } from "@pileus/core";
import { expect, it } from "vitest";
import { renderTable, Stopwatch } from "../quickstart/table.ts";

function stopwatch(name: string, signal = new AbortController().signal): { watch: Stopwatch; said: string[] } {
  const said: string[] = [];
  return {
    watch: new Stopwatch({ name, kind: "kind", driver: "fake" }, { say: (line) => said.push(line), signal }),
    said,
  };
}

const missing = new HostError("run skopeo", [{ need: "binary:skopeo", reason: "not on PATH", fix: "install it" }]);

it("does nothing but the delete after a failed step, and shows that step as FAILED", async () => {
  const { watch, said } = stopwatch("one");
  await watch.step("image", () => Promise.reject(missing));
  expect(await watch.step("create", async () => "never")).toBeUndefined();
  expect(await watch.step("delete", async () => "always")).toBe("always");
  expect(watch.failures).toEqual([expect.stringMatching(/^one: image: .*skopeo/)]);
  expect(said[0]).toMatch(/^one: image FAILED: .*skopeo/);
  expect(renderTable([watch])).toMatch(/^name {7}one\nkind {6}kind\ndriver {4}fake\nimage {3}FAILED\ndelete .* ms$/);
});

it("does not show an interrupt as a failure, and still deletes", async () => {
  const controller = new AbortController();
  const { watch } = stopwatch("one", controller.signal);
  await watch.step("create", () => {
    controller.abort();
    return Promise.reject(controller.signal.reason);
  });
  expect(await watch.step("start", async () => "never")).toBeUndefined();
  expect(await watch.step("delete", async () => "always")).toBe("always");
  expect(watch.failures).toEqual([]);
});
