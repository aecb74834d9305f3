import { z } from "zod";
import { ConfigError } from "../../errors/all.ts";
import { refusedArguments } from "../../model/arguments.ts";
import { CommonConfigSchema, type InstanceConfig } from "../../model/config.ts";
import { clashes, type Device } from "../../model/device/device.ts";
import { nameOfVolume } from "../../model/device/volume.ts";
import { CONFIG_HABITS } from "../../model/habits.ts";
import { whyNeverResolved } from "../../model/host-name.ts";
import { parse } from "../../model/parse.ts";
import { assertPlain } from "../../model/plain.ts";
import { required } from "../../model/wording.ts";
import { MAX_CONFIG } from "../../system/small-file.ts";
import type { OpenDriver } from "../instance/shared.ts";

const inOptions = (key: string, verb = "create") =>
  `it is an option: pass it in the second argument, as in ${verb}(config, { ${key} })`;
const HINTS = {
  ...CONFIG_HABITS,
  expires: inOptions("expires"),
  onProgress: inOptions("onProgress"),
  signal: inOptions("signal"),
  ready: inOptions("ready", "ephemeral"),
};

/**
 * Checks the configuration of `create()`: the common keys, and the section of the driver that it names.
 *
 * @throws {ConfigError} with every issue.
 */
export function parseInstanceConfig(
  drivers: ReadonlyMap<string, OpenDriver>,
  input: unknown,
): { readonly config: InstanceConfig; readonly open: OpenDriver } {
  assertPlain(input, "instance config");
  const { driver: name } = parse(driverSchema(drivers), input, "instance config");
  const open = drivers.get(name);
  if (open === undefined) throw new TypeError(`no driver "${name}"`);
  const schema = z.strictObject({ ...CommonConfigSchema.shape, [name]: open.driver.section });
  const config = withVolumes(parse(schema, input, "instance config", HINTS) as InstanceConfig);
  assertResolvable(config, "instance config", ["name"]);
  assertPassable(config, "instance config");
  return { config, open };
}

/** Makes devices of the volumes. Pure. @throws {ConfigError} when two disks have one path */
function withVolumes({ volumes, ...config }: InstanceConfig): InstanceConfig {
  if (volumes === undefined) return config;
  const devices: Record<string, Device> = { ...config.devices };
  for (const disk of volumes) {
    const name = nameOfVolume(disk.path);
    const names = [name, ...Array.from(volumes, (_, index) => `${name.slice(0, 58)}-${index + 2}`)];
    const free = names.find((one) => !Object.hasOwn(devices, one)) ?? name;
    devices[free] = disk;
  }
  const [clash] = clashes(devices);
  if (clash !== undefined) throw new ConfigError("instance config", [{ path: ["volumes"], message: clash.message }]);
  return { ...config, devices };
}

/**
 * `subject` and `path`: those of the error.
 *
 * @throws {ConfigError} when an instance on a network has a name that others can never resolve.
 */
export function assertResolvable(
  { name, devices }: Pick<InstanceConfig, "name" | "devices">,
  subject: string,
  path: readonly string[],
): void {
  const why = Object.values(devices).some(({ type }) => type === "nic") ? whyNeverResolved(name) : undefined;
  if (why === undefined) return;
  const message = `${why}: an instance with a nic needs another name`;
  throw new ConfigError(subject, [{ path, message }]);
}

/**
 * `subject`: that of the error.
 *
 * @throws {ConfigError} when it is too large, or when the variables alone are more than any program of the instance could be given.
 */
export function assertPassable(config: InstanceConfig, subject: string): void {
  const { env } = config;
  const size = Buffer.byteLength(JSON.stringify({ config }, undefined, 2));
  if (size > MAX_CONFIG)
    throw new ConfigError(subject, [
      { path: [], message: `it is ${size} bytes of JSON, more than the limit of ${MAX_CONFIG}` },
    ]);
  const refused = refusedArguments([], env);
  if (refused.length === 0) return;
  throw new ConfigError(
    subject,
    refused.map(({ message }) => ({ path: ["env"], message })),
  );
}

// Checked first and alone: it decides which other keys are legal.
function driverSchema(drivers: ReadonlyMap<string, OpenDriver>) {
  const known = [...drivers.keys()].join(", ");
  return z.looseObject({
    driver: z
      .string(required(`set driver to one of ${known}`))
      .refine((name) => drivers.has(name), `this host was opened without that driver; it has ${known}`),
  });
}
