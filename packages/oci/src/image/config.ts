import { type Architecture, ArchitectureSchema, DigestSchema, ImageError, type OciProcess } from "@pileus/core";
import { printable } from "@pileus/core/driver";
import { z } from "zod";
import { parseDocument } from "./manifest.ts";
import { normalArchitecture, normalOs } from "./platform.ts";

// Docker writes null for unset values.
const strings = z.array(z.string()).nullish();
const set = z.record(z.string(), z.unknown()).nullish();

/** An image's configuration (image-spec, config.md). Keys that Pileus does not read are dropped. */
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
  // An image without layers has null here, or no key.
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(DigestSchema).nullish() }).nullish(),
});
export type ImageConfig = z.output<typeof ImageConfigSchema>;

/** The parts of a config that Pileus uses. */
export interface ParsedConfig {
  /** Absent if the config names none: then the index or the requested platform decides. */
  readonly architecture: Architecture | undefined;
  readonly diffIds: readonly string[];
  readonly process: OciProcess;
  /** Entries of its environment that name no variable. Like Docker, this leaves them out of `process`. */
  readonly envLeftOut: readonly string[];
}

/** @throws {ImageError} when it is malformed, or for another operating system than Linux. */
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

/** moby, runconfig: an entry without `=` would remove a variable, and an image has none to remove. */
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
  // execve(2) takes strings that end with a NUL: a NUL inside would silently truncate the string.
  if (texts.some((text) => text.includes("\0"))) throw new ImageError(image, "its config has NUL in a string");
  return process;
}
