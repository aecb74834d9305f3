import type { Capability } from "../../contract/capability.ts";
import { UnsupportedError } from "../../errors/all.ts";
import type { Run } from "../run/run.ts";
import type { ManagedInstance } from "./managed-instance.ts";

/** Whether the driver of the instance has the capability at all. */
export function hasCapability({ engine, driverName }: ManagedInstance, capability: Capability): boolean {
  const driver = engine.drivers.get(driverName)?.driver;
  return (driver?.capabilities as ReadonlySet<Capability> | undefined)?.has(capability) === true;
}

/** @throws {UnsupportedError} when its driver, or the run as it is now, lacks the capability. @throws {HostError} */
export function requireCapability(instance: ManagedInstance, capability: Capability, run?: Run): void {
  const { driver } = instance.driver;
  const reason = hasCapability(instance, capability) ? run?.lacks(capability) : lacking(driver.name, capability);
  if (reason !== undefined) throw new UnsupportedError({ capability, reason });
}

const CURES: Partial<Record<Capability, string>> = {
  reboot: ": use restart()",
  console: ": a program without a terminal has none; exec(argv, { tty }) gives a program one",
};

function lacking(driver: string, capability: Capability): string {
  return `the driver "${driver}" lacks it${CURES[capability] ?? ""}`;
}
