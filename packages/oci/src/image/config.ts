import { type Architecture, ArchitectureSchema, DigestSchema, ImageError, type OciProcess } from "@pileus/core";
import { printable } from "@pileus/core/driver";
import { z } from "zod";
import { parseDocument } from "./manifest.ts";
import { normalArchitecture, normalOs } from "./platform.ts";

// Docker writes null for what is not set.
const strings = z.array(z.string()).nullish();
const set = z.record(z.string(), z.unknown()).nullish();

/** An image's configuration (image-spec, config.md). Keys that we do not read are dropped. */
export const ImageConfigSchema = z.object({
  architecture: z.string().nullish(),
  os: z.string().nullish(),
  "os.version": z.string().nullish(),
  variant: z.string().nullish(),
  created: z.string().nullish(),
  config: z
    .object({
      User: z.string().nullish(),
      ExposedPorts: set,
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      Volumes: set,
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
      StopSignal: z.string().nullish(),
    })
    .nullish(),
  // An image without layers has null here, or nothing at all.
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(DigestSchema).nullish() }).nullish(),
});
export type ImageConfig = z.output<typeof ImageConfigSchema>;

/** What a config says, as far as we use it. */
export interface ParsedConfig {
  /** Absent where the config names none: the index or the platform that was asked for decides. */
  readonly architecture: Architecture | undefined;
  readonly diffIds: readonly string[];
  readonly process: OciProcess;
  /** Entries of its environment that name no variable: they are left out of `process`, as Docker leaves them out. */
  readonly envLeftOut: readonly string[];
}

/** @throws {ImageError} when it is malformed, or for another system than Linux. */
export function parseImageConfig(image: string, bytes: Uint8Array): ParsedConfig {
  const config = parseDocument(image, "config", bytes, ImageConfigSchema);
  if (normalOs(config.os) !== "linux")
    throw new ImageError(image, `it is for ${JSON.stringify(printable(config.os ?? ""))}, not for linux`);
  const env = config.config?.Env ?? [];
  return {
    architecture: architectureOf(image, config.architecture),
    diffIds: config.rootfs?.diff_ids ?? [],
    process: processOf(image, config, env.filter(isVariable)),
    envLeftOut: env.filter((entry) => !isVariable(entry)),
  };
}

function architectureOf(image: string, stated: string | null | undefined): Architecture | undefined {
  const name = normalArchitecture(stated);
  if (name === undefined) return undefined;
  const architecture = ArchitectureSchema.safeParse(name);
  if (architecture.success) return architecture.data;
  const known = ArchitectureSchema.options.join(" nor ");
  throw new ImageError(image, `its architecture is ${JSON.stringify(printable(name))}: neither ${known}`);
}

/** moby, runconfig: an entry without `=` would take a variable away, and in an image there is none to take. */
function isVariable(entry: string): boolean {
  return /^[^=\0\n]+=/.test(entry);
}

function processOf(image: string, { config }: ImageConfig, env: string[]): OciProcess {
  const process: OciProcess = {
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env,
    workdir: config?.WorkingDir || "/",
    user: config?.User ?? "",
    ...(config?.StopSignal ? { stopSignal: config.StopSignal } : {}),
    labels: config?.Labels ?? {},
    exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    volumes: Object.keys(config?.Volumes ?? {}),
  };
  const texts = [...process.entrypoint, ...process.cmd, ...process.env];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\0-\x1f\x7f]/.test(process.workdir + process.user))
    throw new ImageError(image, "its config has a control character in its working directory or user");
  // execve(2) takes strings that end with a NUL: one inside would silently cut the rest off.
  if (texts.some((text) => text.includes("\0"))) throw new ImageError(image, "its config has a NUL in a string");
  return process;
}
