import { z } from "zod";
import type { Backend, Driver } from "../contract/backend.ts";
import { CAPABILITIES, type Capability } from "../contract/capability.ts";
import type { HostReport } from "../contract/report.ts";
import { ArchitectureSchema } from "../model/image.ts";
import type { InstanceKind } from "../terms/instance-kind.ts";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { FakeBackend, type FakeFaults } from "./fake/backend.ts";
import type { FakeProgram } from "./fake/process.ts";
import { PROGRAMS } from "./fake/programs.ts";
import { FakeWorld } from "./fake/world.ts";

/** The configuration section of a fake instance. */
export interface FakeConfigInput {
  /** Ignores a request to stop: only a kill ends it. Default false. */
  readonly stubborn?: boolean | undefined;
  /** A file that must exist for a start, like a main program. It is not run. Default: none. */
  readonly init?: string | undefined;
  /**
   * The main program and its arguments: what it prints is in `logs()`, and its end is the end of the instance. Default:
   * none, and the instance runs until it is stopped.
   */
  readonly main?: readonly string[] | undefined;
}

/** {@link FakeConfigInput} with every default filled in. */
export interface FakeConfig extends FakeConfigInput {
  readonly stubborn: boolean;
}

const schema = z.strictObject({
  stubborn: z.boolean().default(false),
  init: z.string().optional(),
  main: z.array(z.string()).min(1).optional(),
});
type _FakeConfig = Holds<Same<FakeConfig, Frozen<z.output<typeof schema>>>>;
type _FakeConfigInput = Holds<Same<FakeConfigInput, Frozen<z.input<typeof schema>>>>;

/** Reads {@link FakeConfigInput}. */
export const FakeConfigSchema: z.ZodType<FakeConfig, FakeConfigInput | undefined> = schema.prefault({});

/** Options of {@link fake}: `N` is the name, `C` the capabilities of its instances. */
export interface FakeOptions<N extends string = "fake", C extends Capability = Capability> {
  /** Default `fake`. */
  readonly name?: N | undefined;
  /** Default: all. */
  readonly capabilities?: readonly C[] | undefined;
  /** Default `system-container`. */
  readonly kind?: InstanceKind | undefined;
  /** The world in which its instances run. Default: a new one. */
  readonly world?: FakeWorld | undefined;
  /**
   * Additional programs, by name; they can also replace built-in ones. Built in are small versions of
   * `cat echo env false head id kill ls mkfifo poweroff printf pwd sleep stty sync test true tty yes`, and a `sh -c`
   * without pipes and control flow.
   */
  readonly programs?: Readonly<Record<string, FakeProgram>> | undefined;
  /** What is called before a step of the driver, to make the step fail or wait. Default: nothing. */
  readonly faults?: FakeFaults | undefined;
}

/**
 * A driver whose instances are in memory: a tree of files copied from the image, and programs that are functions. It
 * implements everything in the contract that needs no kernel, so that programs that use instances can be tested fast
 * and without root. Its images come from {@link importFakeImage}.
 */
export function fake<const N extends string = "fake", C extends Capability = Capability>(
  options: FakeOptions<N, C> = {},
): Driver<N, C, typeof FakeConfigSchema> {
  const name = options.name ?? ("fake" as N);
  const capabilities = new Set(options.capabilities ?? (CAPABILITIES as readonly C[]));
  const world = options.world ?? new FakeWorld();
  const kind = options.kind ?? "system-container";
  return {
    name,
    kind,
    capabilities,
    section: FakeConfigSchema,
    accepts: ["rootfs", "oci", "disk"],
    // No program of the image ever runs.
    architectures: ArchitectureSchema.options,
    probe: async (): Promise<HostReport> => ({
      usable: true,
      missing: [],
      facts: [{ name: "instances", value: `${world.machines.size} running, in memory` }],
    }),
    open: () =>
      new FakeBackend({
        driver: name,
        capabilities,
        world,
        programs: { ...PROGRAMS, ...options.programs },
        faults: options.faults ?? {},
        kind,
      }) as Backend<Capability> as Backend<C>,
  };
}
