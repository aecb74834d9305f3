import { type Architecture, ArchitectureSchema, DigestSchema, ImageError, type OciProcess } from "@pileus/core";
import { z } from "zod";
import { parseDocument } from "./manifest.ts";

// Docker writes null for what is not set.
const strings = z.array(z.string()).nullish();
const set = z.record(z.string(), z.unknown()).nullish();

/** An image's configuration (image-spec, config.md). Keys that we do not read are dropped. */
export const ImageConfigSchema = z.object({
  architecture: z.string(),
  os: z.string(),
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
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(DigestSchema) }),
});
export type ImageConfig = z.output<typeof ImageConfigSchema>;

/** @throws {ImageError} when it is malformed, or for another system than Linux. */
export function parseImageConfig(
  image: string,
  bytes: Uint8Array,
): { readonly architecture: Architecture; readonly diffIds: readonly string[]; readonly process: OciProcess } {
  const config = parseDocument(image, "config", bytes, ImageConfigSchema);
  if (config.os !== "linux") throw new ImageError(image, `it is for ${JSON.stringify(config.os)}, not for linux`);
  const architecture = ArchitectureSchema.safeParse(config.architecture);
  if (!architecture.success)
    throw new ImageError(
      image,
      `its architecture is ${JSON.stringify(config.architecture)}: neither ${ArchitectureSchema.options.join(" nor ")}`,
    );
  return { architecture: architecture.data, diffIds: config.rootfs.diff_ids, process: processOf(image, config) };
}

function processOf(image: string, { config }: ImageConfig): OciProcess {
  const process: OciProcess = {
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env: config?.Env ?? [],
    workdir: config?.WorkingDir || "/",
    user: config?.User ?? "",
    ...(config?.StopSignal ? { stopSignal: config.StopSignal } : {}),
    labels: config?.Labels ?? {},
    exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    volumes: Object.keys(config?.Volumes ?? {}),
  };
  const texts = [...process.entrypoint, ...process.cmd, ...process.env];
  if (process.env.some((entry) => !/^[^=\0\n]+(?:=|$)/.test(entry)))
    throw new ImageError(image, "its config has an environment variable without a proper name");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\0-\x1f\x7f]/.test(process.workdir + process.user))
    throw new ImageError(image, "its config has a control character in its working directory or user");
  // execve(2) takes strings that end with a NUL: one inside would silently cut the rest off.
  if (texts.some((text) => text.includes("\0"))) throw new ImageError(image, "its config has a NUL in a string");
  return process;
}
