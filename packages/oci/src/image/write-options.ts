import { type Abortable, type Architecture, ArchitectureSchema, OciProcessSchema } from "@pileus/core";
import { parse } from "@pileus/core/driver";
import { z } from "zod";
import { isRefName } from "./reference.ts";

/** What `writeOciLayout()` makes an image of. */
export interface OciLayoutOptions extends Abortable {
  /** The layout; made where it is missing. One that is there keeps its other images, and the blobs it has. */
  readonly folder: string;
  /** The image's name in the layout: `oci:<folder>:<tag>`. Moves to the new image if it is taken. */
  readonly tag: string;
  /** Bottom first: uncompressed tars, in which `.wh.` names are whiteouts (image-spec, layer.md). */
  readonly layers: readonly { readonly tar: string }[];
  /** What it runs. Default: nothing, which an instance then has to say. */
  readonly config?: z.input<typeof OciProcessSchema> | undefined;
  /** Default: this host's. */
  readonly architecture?: Architecture | undefined;
  /** Default `gzip`. */
  readonly compression?: "gzip" | "none" | undefined;
}

const SCHEMA = z.strictObject({
  folder: z.string().min(1),
  tag: z.string().refine(isRefName, "it is no name of an image in a layout, as in redis:7"),
  layers: z.array(z.strictObject({ tar: z.string().min(1) })),
  // Strict, as what a registry sends must not be: a misspelled key is not to be dropped.
  config: z.strictObject(OciProcessSchema.shape).prefault({}),
  architecture: ArchitectureSchema.optional(),
  compression: z.enum(["gzip", "none"]).default("gzip"),
  signal: z
    .custom<AbortSignal>(
      (value) => typeof value === "object" && value !== null && "aborted" in value,
      "it is no AbortSignal",
    )
    .optional(),
} satisfies { readonly [K in keyof Required<OciLayoutOptions>]: z.ZodType });

/** The options with their defaults. */
export type ParsedLayoutOptions = z.output<typeof SCHEMA>;

/** @throws {ConfigError} naming every key that is wrong, and for an unknown one the nearest. */
export function parseLayoutOptions(options: unknown): ParsedLayoutOptions {
  return parse(SCHEMA, options, "options of writeOciLayout()");
}
