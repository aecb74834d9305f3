import { z } from "zod";
import type { AnyDriver } from "../../contract/backend.ts";
import { ConfigError } from "../../errors/all.ts";
import { SignalSchema } from "../../model/call-options.ts";
import { CommonConfigSchema } from "../../model/config.ts";
import { NameSchema } from "../../model/name.ts";
import { noNul } from "../../model/no-nul.ts";
import { parse } from "../../model/parse.ts";
import { objectAs } from "../../model/wording.ts";

const HostOptionsSchema = z.strictObject(
  {
    root: noNul("a path", "must be the path of a folder").min(1, "must be the path of a folder, but is empty"),
    drivers: z.array(
      z.custom<AnyDriver>(isDriver, "is not a driver: pass what lxc(), oci() or qemu() returns"),
      "must be an array of drivers, as in [lxc()]",
    ),
    signal: SignalSchema.optional(),
  },
  objectAs("openHost({ root, drivers: [lxc()] })"),
);

/** Checks the options of `openHost()`. @throws {ConfigError} */
export function parseHostOptions(input: unknown): z.output<typeof HostOptionsSchema> {
  const options = parse(HostOptionsSchema, input, "host options");
  assertDriverNames(options.drivers);
  return options;
}

function isDriver(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, capabilities, accepts, section, open } = value as Partial<AnyDriver>;
  return (
    typeof name === "string" &&
    typeof open === "function" &&
    typeof capabilities?.has === "function" &&
    Array.isArray(accepts) &&
    typeof section === "object"
  );
}

function assertDriverNames(drivers: readonly AnyDriver[]): void {
  const names = drivers.map((driver) => driver.name);
  const issues = names.flatMap((name, index) => {
    const path = ["drivers", index];
    if (!NameSchema.safeParse(name).success)
      return [{ path, message: `"${name}" is not a valid driver name: it must be an RFC 1123 label` }];
    if (name in CommonConfigSchema.shape)
      return [{ path, message: `a driver cannot be named "${name}": every configuration has a key of that name` }];
    if (names.indexOf(name) !== index) return [{ path, message: `two drivers are named "${name}"` }];
    return [];
  });
  if (issues.length > 0) throw new ConfigError("host options", issues);
}
