import { z } from "zod";
import { ID_COUNT, type IdmapLine } from "../terms/idmap.ts";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { type IdmapLineInput, IdmapLinesSchema, MAX_ID } from "./idmap-lines.ts";
import { shorthand } from "./shorthand.ts";

/** Whose ids an unprivileged container has: those of no other instance, or those that all instances of this mode share. */
export type IdmapMode = "isolated" | "shared";

/** How the ids inside an unprivileged container map to ids of the host, as an object. */
export interface IdmapSettingsInput {
  /**
   * `isolated` (default): a range of its own, which no other instance, no user of the host and no container that runs
   * at the time of the create has. `shared`: the range of all instances of this host with this mode.
   */
  readonly mode?: IdmapMode | undefined;
  /** The id of the host of root inside, for `isolated`. Default: chosen, and kept until the instance is deleted. */
  readonly base?: number | undefined;
  /** The number of ids inside, for `isolated`: at least 65536, the default. */
  readonly size?: number | undefined;
  /** Ids inside that are ids of accounts of the host instead, as `raw.idmap` of Incus. Default: none. At most 50 lines. */
  readonly extra?: readonly IdmapLineInput[] | undefined;
}

/** {@link IdmapSettingsInput} as drivers read it. */
export interface IdmapSettings extends IdmapSettingsInput {
  readonly mode: IdmapMode;
  readonly extra?: readonly IdmapLine[] | undefined;
}

const SettingsSchema = z
  .strictObject({
    mode: z
      .enum(["isolated", "shared"], 'must be "isolated" or "shared"; for the ids of the host write privileged: true')
      .default("isolated"),
    base: z
      .number()
      .int()
      .min(65_536, "ids below 65536 are those of the host's own accounts")
      .max(MAX_ID - ID_COUNT)
      .optional(),
    size: z
      .number()
      .int()
      .min(ID_COUNT, "a system needs 65536 ids")
      .max(2 ** 30)
      .optional(),
    extra: IdmapLinesSchema.optional(),
  })
  .superRefine(({ mode, base, size, extra = [] }, context) => {
    const refuse = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    for (const [key, value] of Object.entries({ base, size }))
      if (mode === "shared" && value !== undefined)
        refuse(key, `the shared range is the same for all instances: leave ${key} out, or set mode to "isolated"`);
    if (base !== undefined && base + (size ?? ID_COUNT) > MAX_ID)
      refuse("size", "the range goes beyond the largest id");
    for (const [index, { outside, count }] of extra.entries()) {
      if (base === undefined || outside >= base + (size ?? ID_COUNT) || base >= outside + count) continue;
      const message =
        "the instance has this id already, in the range from base on: choose another base, or leave it out";
      context.addIssue({ code: "custom", path: ["extra", index, "outside"], message });
    }
  });
type _IdmapSettings = Holds<Same<IdmapSettings, Frozen<z.output<typeof SettingsSchema>>>>;
type _IdmapSettingsInput = Holds<Same<IdmapSettingsInput, Frozen<z.input<typeof SettingsSchema>>>>;

/** Reads {@link IdmapSettingsInput}, or its `mode` alone. */
export const IdmapSettingsSchema = shorthand("mode", SettingsSchema);
