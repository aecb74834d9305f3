import { describe, expect, it } from "vitest";
import { type InstanceRecord, parseRecord, RECORD_VERSION } from "../../../src/engine/record/record.ts";
import { OciProcessSchema } from "../../../src/model/image.ts";
import { IMAGE } from "../scripted.ts";

const RECORD: InstanceRecord = {
  version: RECORD_VERSION,
  uuid: "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d",
  kind: "system-container",
  config: {
    name: "a",
    driver: "lxc",
    image: "base",
    limits: { memory: { limit: 1024 } },
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

const LAYER = { diffId: IMAGE.fingerprint, chainId: IMAGE.fingerprint, size: 1 };
const PROCESS = { ...OciProcessSchema.parse({}), env: ["A=1"] };

describe("a record", () => {
  it("is read as it was written, including the section of a driver that this host lacks", () => {
    expect(parseRecord(JSON.stringify(RECORD))).toEqual({ kind: "record", record: RECORD });
  });

  it("is read with extra lines of its map of ids, and refused as damaged with a line that makes no sense", () => {
    const idmap = { base: 1_048_576, count: 65_536, extra: [{ inside: 1000, outside: 1000, count: 1, of: "both" }] };
    expect(parseRecord(JSON.stringify({ ...RECORD, idmap }))).toMatchObject({ kind: "record", record: { idmap } });
    const damaged = { ...idmap, extra: [{ inside: 1000 }] };
    expect(parseRecord(JSON.stringify({ ...RECORD, idmap: damaged }))).toMatchObject({ kind: "garbage" });
  });

  it.each([
    ["nothing", ""],
    ["zeros of a torn write", "\0\0\0\0"],
    ["half of it", JSON.stringify(RECORD).slice(0, 100)],
    ["another type", "[]"],
    ["a state that is none", JSON.stringify({ ...RECORD, state: "dreaming" })],
    ["a name that leaves the folder", JSON.stringify({ ...RECORD, config: { ...RECORD.config, name: "../b" } })],
  ])("that is %s is garbage, with a reason of one line", (_, text) => {
    const reading = parseRecord(text);
    expect(reading).toMatchObject({ kind: "garbage" });
    expect((reading as { reason: string }).reason).toMatch(/^[^\n]+$/);
  });

  it("keeps keys of another release at every depth, and devices of an unknown type", () => {
    const extra = { extra: { depth: 1 } };
    const record = {
      ...RECORD,
      ...extra,
      config: {
        ...RECORD.config,
        ...extra,
        limits: { memory: { limit: 1024, ...extra }, ...extra },
        devices: {
          eth0: {
            type: "nic",
            network: "net0",
            ipv4: { address: "10.0.0.2", ...extra },
            egress: { allow: [], ...extra },
            host: { allow: "all", ...extra },
            ...extra,
          },
          "my disk": { type: "disk", size: 1 },
        },
      },
      image: { ...IMAGE, layers: [{ ...LAYER, ...extra }], process: { ...PROCESS, ...extra }, ...extra },
      exit: { reason: "program", status: { kind: "exited", code: 0, ...extra }, at: 2, ...extra },
    };
    expect(parseRecord(JSON.stringify(record))).toEqual({ kind: "record", record });
  });

  it("of an early release is read with the address of a nic, whose key was not nested", () => {
    const nic = { type: "nic", network: "net0", "ipv4.address": "10.1.2.3" };
    const reading = parseRecord(JSON.stringify({ ...RECORD, config: { ...RECORD.config, devices: { eth0: nic } } }));
    const devices = { eth0: { type: "nic", network: "net0", ipv4: { address: "10.1.2.3" } } };
    expect(reading).toMatchObject({ kind: "record", record: { config: { devices } } });
  });

  it("with an invalid nic is garbage", () => {
    const config = { ...RECORD.config, devices: { eth0: { type: "nic", network: 7 } } };
    expect(parseRecord(JSON.stringify({ ...RECORD, config }))).toMatchObject({ kind: "garbage" });
  });

  it("of a later version is distinguished from garbage, whatever its content", () => {
    expect(parseRecord('{"version":7,"new":true}')).toEqual({ kind: "newer", version: 7, record: undefined });
    const { config } = RECORD;
    expect(parseRecord(JSON.stringify({ ...RECORD, version: 7, novelty: 1 }))).toMatchObject({
      kind: "newer",
      version: 7,
      record: { config, novelty: 1 },
    });
  });

  it("says itself which releases may change it", () => {
    const later = { ...RECORD, version: 7 };
    expect(parseRecord(JSON.stringify({ ...later, minReader: RECORD_VERSION }))).toMatchObject({ kind: "record" });
    expect(parseRecord(JSON.stringify({ ...later, minReader: RECORD_VERSION + 1 }))).toMatchObject({ kind: "newer" });
  });
});
