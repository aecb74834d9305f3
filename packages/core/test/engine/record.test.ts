import { describe, expect, it } from "vitest";
import { type InstanceRecord, parseRecord, RECORD_VERSION } from "../../src/engine/record.ts";
import { IMAGE } from "./scripted.ts";

const RECORD: InstanceRecord = {
  version: RECORD_VERSION,
  uuid: "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d",
  kind: "system-container",
  config: {
    name: "a",
    driver: "lxc",
    image: "base",
    limits: { memory: 1024 },
    devices: {},
    env: {},
    labels: {},
    lxc: { nesting: true },
  },
  image: IMAGE,
  createdAt: 1,
  phase: "ready",
  state: "running",
  run: "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d",
  exit: { reason: "program", status: { kind: "signaled", signal: "SIGKILL" }, at: 2 },
};

describe("a record", () => {
  it("comes back as it was written, the section of a driver that this host lacks included", () => {
    expect(parseRecord(JSON.stringify(RECORD))).toEqual({ kind: "record", record: RECORD });
  });

  it.each([
    ["nothing", ""],
    ["zeros of a torn write", "\0\0\0\0"],
    ["half of it", JSON.stringify(RECORD).slice(0, 100)],
    ["another type", "[]"],
    ["a state that is none", JSON.stringify({ ...RECORD, state: "dreaming" })],
    ["a key that is none", JSON.stringify({ ...RECORD, extra: 1 })],
    ["a name that leaves the folder", JSON.stringify({ ...RECORD, config: { ...RECORD.config, name: "../b" } })],
  ])("that is %s is garbage, with a reason of one line", (_, text) => {
    const reading = parseRecord(text);
    expect(reading).toMatchObject({ kind: "garbage" });
    expect((reading as { reason: string }).reason).toMatch(/^[^\n]+$/);
  });

  it("of a later version is told from garbage, whatever else it holds", () => {
    expect(parseRecord('{"version":7,"new":true}')).toEqual({ kind: "newer", version: 7 });
  });
});
