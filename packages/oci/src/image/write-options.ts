import {
  type Abortable,
  type Architecture,
  ArchitectureSchema,
  type OciProcess,
  type OciProcessInput,
} from "@pileus/core";
import { ArgumentSchema, HostPathSchema, parse, parseExposedPorts, recordOf, SignalSchema } from "@pileus/core/driver";
import { z } from "zod";
import { ArgumentsSchema, StopSignalSchema, UserSchema, WorkdirSchema } from "../program-schemas.ts";
import { isRefName } from "./reference.ts";

/** Options of `writeOciLayout()`. */
export interface OciLayoutOptions extends Abortable {
  /** The folder of the layout; made if it is missing. An existing layout keeps its other images and its blobs. */
  readonly folder: string;
  /** The image's name in the layout: `oci:<folder>:<tag>`. A name in use moves to the new image. */
  readonly tag: string;
  /** Bottom first: uncompressed tars, in which `.wh.` names are whiteouts (image-spec, layer.md). */
  readonly layers: readonly {
    /** The path of the tar on the host. */
    readonly tar: string;
  }[];
  /** What the image runs. Default: nothing; then an instance must name its program. */
  readonly config?: OciProcessInput | undefined;
  /** The processors that the image is for. Default: this host's. */
  readonly architecture?: Architecture | undefined;
  /** How the layers are stored in the layout. Default `gzip`. */
  readonly compression?: "gzip" | "none" | undefined;
}

/** The error of a list that a document of an image has as an object: says what to write instead of that object. */
function listAs(item: (key: string, value: unknown) => string, example: string) {
  return ({ code, input }: z.core.$ZodRawIssue): string | undefined => {
    if (code !== "invalid_type" || typeof input !== "object" || input === null) return undefined;
    const [first] = Object.entries(input);
    const text = first === undefined ? example : item(...first);
    return `must be a list: write ${JSON.stringify([text.length > LONGEST_QUOTE ? example : text])}`;
  };
}

/** An item that is longer is not quoted in a message. */
const LONGEST_QUOTE = 60;

/** What the image runs. Stricter than what is read from a registry: a mistake is the caller's own. */
const ProgramSchema = z.strictObject({
  entrypoint: ArgumentsSchema.default([]),
  cmd: ArgumentsSchema.default([]),
  env: z
    .array(ArgumentSchema.regex(/^[^=\n]+=/, 'a variable is NAME=value, as in "A=1"'), {
      error: listAs((name, value) => `${name}=${value}`, "NAME=value"),
    })
    .readonly()
    .default([]),
  workdir: WorkdirSchema.default("/"),
  user: z.literal("").or(UserSchema).default(""),
  stopSignal: StopSignalSchema.optional(),
  labels: recordOf(z.string().min(1, "the name of a label is empty"), z.string(), {
    error: ({ code, input }) =>
      code === "invalid_type" && Array.isArray(input)
        ? 'must be an object of names and values: write { name: "value" }'
        : undefined,
  }).default({}),
  exposedPorts: z
    .array(
      z
        .string()
        .refine(
          (port) => parseExposedPorts([port]).length > 0,
          'a port is a number from 1 to 65535 with a protocol, as in "6379/tcp"',
        ),
      { error: listAs((port) => port, "6379/tcp") },
    )
    .readonly()
    .default([]),
  volumes: z
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    .array(z.string().regex(/^\/[^\0-\x1f\x7f]*$/, "a volume is an absolute path inside, without control characters"), {
      error: listAs((path) => path, "/data"),
    })
    .readonly()
    .default([]),
} satisfies { readonly [K in keyof OciProcess]: z.ZodType });

const LayerSchema = z.strictObject(
  { tar: HostPathSchema },
  {
    error: ({ code, input }) =>
      code === "invalid_type" && typeof input === "string" && input.length <= LONGEST_QUOTE
        ? `must be an object, but is a string: write { tar: ${JSON.stringify(input)} }`
        : undefined,
  },
);

// As the reader of references has it: the path of a layout ends at the first colon.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
const LAYOUT_PATH = /^[^:\0-\x1f\x7f]*$/;

const SCHEMA = z.strictObject({
  folder: HostPathSchema.regex(LAYOUT_PATH, "the path of a layout cannot contain a colon or control characters"),
  tag: z.string().refine(isRefName, "it is not a name of an image in a layout, such as redis:7"),
  layers: z.array(LayerSchema),
  config: ProgramSchema.prefault({}),
  architecture: ArchitectureSchema.optional(),
  compression: z.enum(["gzip", "none"]).default("gzip"),
  signal: SignalSchema.optional(),
} satisfies { readonly [K in keyof Required<OciLayoutOptions>]: z.ZodType });

/** The options with their defaults. */
export type ParsedLayoutOptions = z.output<typeof SCHEMA>;

/** @throws {ConfigError} that names every wrong key, and for an unknown key the nearest known one. */
export function parseLayoutOptions(options: unknown): ParsedLayoutOptions {
  return parse(SCHEMA, options, "options of writeOciLayout()");
}
