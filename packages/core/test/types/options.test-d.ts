/** What a schema checks of a call is what the contract says of it. Checked by `tsc -p tsconfig.test.json`; nothing here runs. */
import type { z } from "zod";
import type { DetachedExecOptions } from "../../src/contract/detached.ts";
import type { MkdirOptions, OwnerOptions, PushOptions, RemoveOptions } from "../../src/contract/files.ts";
import type { CreateOptions, EphemeralOptions, ListOptions, SweepOptions } from "../../src/contract/host.ts";
import type { StopOptions } from "../../src/contract/instance.ts";
import type { ExecOptions, PipeExecOptions, TtyExecOptions } from "../../src/contract/process.ts";
import type { RunOptions } from "../../src/contract/run.ts";
import type { ProgressOptions } from "../../src/flow/abortable.ts";
import type { DetachedExecSchema, ExecSchema } from "../../src/model/exec.ts";
import type {
  MkdirOptionsSchema,
  PullOptionsSchema,
  PushOptionsSchema,
  RemoveOptionsSchema,
  WriteOptionsSchema,
} from "../../src/model/file-options.ts";
import type {
  CreateOptionsSchema,
  EphemeralOptionsSchema,
  ListOptionsSchema,
  RunSchema,
  StopOptionsSchema,
  SweepOptionsSchema,
} from "../../src/model/verb-options.ts";

/** Fails to compile unless a schema has the keys of these options, and no other. */
function sameKeys<Schema extends z.ZodType, Options>() {
  return (
    ..._: [keyof z.input<Schema>] extends [keyof Options]
      ? [keyof Options] extends [keyof z.input<Schema>]
        ? []
        : [never]
      : [never]
  ) => {};
}
type WithArgv<Options> = Options & { readonly argv: readonly string[] };

sameKeys<typeof ExecSchema, WithArgv<Omit<PipeExecOptions, "tty" | "detached"> & Pick<TtyExecOptions, "tty">>>()();
sameKeys<typeof DetachedExecSchema, WithArgv<Omit<DetachedExecOptions, "tty" | "timeout">>>()();
sameKeys<typeof RunSchema, WithArgv<RunOptions>>()();
sameKeys<typeof StopOptionsSchema, StopOptions>()();
sameKeys<typeof CreateOptionsSchema, CreateOptions>()();
sameKeys<typeof EphemeralOptionsSchema, EphemeralOptions>()();
sameKeys<typeof SweepOptionsSchema, SweepOptions>()();
sameKeys<typeof ListOptionsSchema, ListOptions>()();
sameKeys<typeof WriteOptionsSchema, OwnerOptions>()();
sameKeys<typeof MkdirOptionsSchema, MkdirOptions>()();
sameKeys<typeof RemoveOptionsSchema, RemoveOptions>()();
sameKeys<typeof PushOptionsSchema, PushOptions>()();
sameKeys<typeof PullOptionsSchema, ProgressOptions>()();
// @ts-expect-error a key that no call of exec() takes
sameKeys<typeof ExecSchema, WithArgv<ExecOptions> & { readonly uesr: string }>()();
