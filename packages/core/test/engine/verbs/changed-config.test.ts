import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { OpenDriver } from "../../../src/engine/instance/shared.ts";
import { changedConfig, checkedChange } from "../../../src/engine/verbs/changed-config.ts";
import type { InstanceConfig } from "../../../src/model/config.ts";

const section = z
  .strictObject({ init: z.string().optional(), command: z.string().optional() })
  .refine(({ init, command }) => init === undefined || command === undefined, { message: "one of both" })
  .prefault({});
const open = { driver: { name: "demo", section } } as unknown as OpenDriver;
const config = (demo?: object): InstanceConfig => ({
  name: "a",
  driver: "demo",
  image: "i",
  limits: {},
  devices: {},
  env: {},
  labels: {},
  ...(demo && { demo }),
});
const changed = (before: InstanceConfig, change: unknown) => changedConfig(open, before, checkedChange(open, change));

describe("a change of the section of a driver", () => {
  it("is refused when its keys do not go together with those of before", () => {
    expect(() => changed(config({ init: "a" }), { demo: { command: "b" } })).toThrow(/one of both/);
    expect(changed(config({ init: "a" }), { demo: { init: null, command: "b" } })).toMatchObject({
      demo: { command: "b" },
    });
    // What does not go together already is no matter of another change.
    const both = { init: "a", command: "b" };
    expect(changed(config(both), { labels: { a: "1" } })).toMatchObject({ demo: both, labels: { a: "1" } });
  });

  it("keeps the keys of a later release, and refuses to change one", () => {
    const later = { init: "a", later: { of: "a later release" } };
    expect(changed(config(later), { demo: { init: "b" } })).toMatchObject({ demo: { ...later, init: "b" } });
    expect(() => changed(config(later), { demo: { later: 1 } })).toThrow(/later/);
  });

  it("may be an object without a prototype", () => {
    const bare = (keys: object) => Object.assign(Object.create(null), keys);
    expect(changed(config(), bare({ demo: bare({ init: "a" }) }))).toMatchObject({ demo: { init: "a" } });
  });
});
