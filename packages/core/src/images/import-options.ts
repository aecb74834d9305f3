import { z } from "zod";
import type { ImportOptions, RegistryOptions } from "../contract/images.ts";
import { ProgressListenerSchema, SignalSchema } from "../model/call-options.ts";
import { HostPathSchema } from "../model/host-path.ts";
import { ArchitectureSchema, DigestSchema } from "../model/image.ts";
import { parse } from "../model/parse.ts";
import { AliasSchema } from "./reference.ts";

/** A schema for each key of `T`, and for no other. */
type SchemasOf<T> = { readonly [K in keyof Required<T>]: z.ZodType };

/** Checks {@link RegistryOptions}, here and in the options of a driver. */
export const RegistryOptionsSchema = z.strictObject({
  tlsVerify: z.boolean().optional(),
  certDir: HostPathSchema.optional(),
  authFile: HostPathSchema.optional(),
} satisfies SchemasOf<RegistryOptions>);

const ImportOptionsSchema = z.strictObject({
  signal: SignalSchema.optional(),
  onProgress: ProgressListenerSchema.optional(),
  aliases: z.array(AliasSchema).optional(),
  digest: DigestSchema.optional(),
  architecture: ArchitectureSchema.optional(),
  registry: RegistryOptionsSchema.optional(),
} satisfies SchemasOf<ImportOptions>);

/** A misspelt digest or TLS option must not be ignored. @throws {ConfigError} that names every issue. */
export function assertImportOptions(options: unknown): void {
  parse(ImportOptionsSchema, options, "import options");
}
