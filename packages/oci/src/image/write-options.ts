import {
  type Abortable,
  type Architecture,
  ArchitectureSchema,
  type OciProcessInput,
  OciProcessSchema,
} from "@pileus/core";
import { parse } from "@pileus/core/driver";
import { z } from "zod";
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

const SCHEMA = z.strictObject({
  folder: z.string().min(1),
  tag: z.string().refine(isRefName, "it is not a name of an image in a layout, such as redis:7"),
  layers: z.array(z.strictObject({ tar: z.string().min(1) })),
  // Strict, unlike documents of a registry: a misspelled key must not be dropped.
  config: z.strictObject(OciProcessSchema.shape).prefault({}),
  architecture: ArchitectureSchema.optional(),
  compression: z.enum(["gzip", "none"]).default("gzip"),
  signal: z
    .custom<AbortSignal>(
      (value) => typeof value === "object" && value !== null && "aborted" in value,
      "it is not an AbortSignal",
    )
    .optional(),
} satisfies { readonly [K in keyof Required<OciLayoutOptions>]: z.ZodType });

/** The options with their defaults. */
export type ParsedLayoutOptions = z.output<typeof SCHEMA>;

/** @throws {ConfigError} that names every wrong key, and for an unknown key the nearest known one. */
export function parseLayoutOptions(options: unknown): ParsedLayoutOptions {
  return parse(SCHEMA, options, "options of writeOciLayout()");
}
