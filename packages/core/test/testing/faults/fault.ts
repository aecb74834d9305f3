import type { Driver } from "@pileus/core";
import type { FakeWorld } from "@pileus/core/testing";

/** A fault of a driver, and the tests that must see it. */
export interface Fault {
  readonly what: string;
  readonly seenBy: readonly string[];
  readonly broken: (driver: Driver, world: FakeWorld) => Driver;
}
