/** What the copy of zod lacks. Checked by `tsc -p tsconfig.test.json`; nothing here runs. */
import type { z } from "../../src/driver/index.ts";

/** A language of messages. */
// @ts-expect-error
export type Language = ReturnType<typeof z.locales.de>;

export type Text = z.output<z.ZodString>;
