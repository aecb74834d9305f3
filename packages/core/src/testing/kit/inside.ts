import assert from "node:assert/strict";
import { eventually } from "./expect.ts";
import type { AnyInstance, Fixture } from "./fixture.ts";

/** Whether a process inside is there can only be asked inside. It may be a zombie for as long as its parent takes. */
export async function isGone(fixture: Fixture, instance: AnyInstance, pid: number): Promise<void> {
  assert.ok(pid > 1, `${pid} is no process id`);
  await eventually(fixture.deadline, `the end of process ${pid} inside`, async () => {
    const { failed } = await instance.run(["sh", "-c", `kill -0 ${pid} 2>/dev/null`]);
    return failed || undefined;
  });
}
