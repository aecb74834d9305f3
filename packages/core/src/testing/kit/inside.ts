import assert from "node:assert/strict";
import { eventually } from "./expect.ts";
import type { AnyInstance, Fixture } from "./fixture.ts";

/** Checks inside whether a process exists there. It may be a zombie until its parent reaps it. */
export async function isGone(fixture: Fixture, instance: AnyInstance, pid: number): Promise<void> {
  assert.ok(pid > 1, `${pid} is not a process id`);
  await eventually(fixture.deadline, `the end of process ${pid} inside`, async () => {
    const { failed } = await instance.run(["sh", "-c", `kill -0 ${pid} 2>/dev/null`]);
    return failed || undefined;
  });
}
