import assert from "node:assert/strict";
import type { Fixture } from "../kit/fixture.ts";

/** Chapter: the ids of the host that an instance has. */
export function describeIds(fixture: Fixture): void {
  fixture.describe("ids of the host", () => {
    fixture.it(
      "belong to one instance alone, and its programs have them",
      async () => {
        const instance = await fixture.running();
        const { idmap } = await instance.inspect();
        await fixture.using(async (other) => {
          const { idmap: others } = await other.inspect();
          if (idmap === undefined || others === undefined) return assert.deepEqual(others, idmap);
          const [first, second] = [idmap, others].toSorted((a, b) => a.base - b.base) as [typeof idmap, typeof others];
          assert.ok(first.base + first.count <= second.base, `${JSON.stringify(first)}, ${JSON.stringify(second)}`);
        });
        // A virtual machine has no ids of the host.
        if (idmap === undefined) return;
        const { stdout } = await instance.run(["cat", "/proc/self/uid_map", "/proc/self/gid_map"]);
        const map = [0, idmap.base, idmap.count];
        assert.deepEqual(stdout.trim().split(/\s+/).map(Number), [...map, ...map]);
      },
      "exec",
    );
  });
}
