import { expect, it } from "vitest";
import { RecordAccess } from "../../../src/engine/instance/instance-record.ts";
import type { Shared } from "../../../src/engine/instance/shared.ts";
import { type InstanceRecord, RECORD_VERSION } from "../../../src/engine/record/record.ts";
import type { InstanceState } from "../../../src/terms/state.ts";
import { IMAGE } from "../scripted.ts";

const UUID = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d";

/** An instance whose record was read in that state. */
function readIn(state: InstanceState) {
  const config = { name: "a", driver: "lxc", image: "base", limits: {}, devices: {}, env: {}, labels: {} };
  const record: InstanceRecord = {
    version: RECORD_VERSION,
    uuid: UUID,
    kind: "system-container",
    config,
    image: IMAGE,
    createdAt: 1,
    phase: "ready",
    state,
  };
  const access = new RecordAccess({} as Shared, record, () => undefined);
  return (next: InstanceState, previous: InstanceState) =>
    access.hear({ type: "state", instance: "a", uuid: UUID, at: 2, state: next, previous });
}

it("tells a state that its record had before the journal told it, and each state once", () => {
  const hear = readIn("starting");
  expect(hear("starting", "stopped")).toMatchObject({ state: "starting", previous: "stopped" });
  expect(hear("starting", "stopped")).toBeUndefined();
  expect(hear("running", "starting")).toMatchObject({ state: "running", previous: "starting" });
});
