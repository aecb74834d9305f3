import type { Capability } from "../../contract/capability.ts";
import type { FakeMachine } from "./machine.ts";
import type { FakeTree } from "./tree.ts";

/** What one fake instance keeps over starts and stops. */
export interface FakeDisk {
  readonly instance: string;
  readonly tree: FakeTree;
}

/**
 * The machine that fake instances run on. It simulates what outlives a Node process: if a second driver gets the same
 * world, its host finds the instances that the first driver's host left running.
 */
export class FakeWorld {
  /** By the instance's uuid. */
  readonly disks = new Map<string, FakeDisk>();
  /** The running instances, by uuid. */
  readonly machines = new Map<string, FakeMachine>();
  /** Capabilities that every instance lacks *now*, with the reason, like a guest without an agent. */
  readonly lacking = new Map<Capability, string>();

  /** Descriptions of everything that exists of any instance: empty once all are deleted. */
  leftovers(): string[] {
    return [
      ...[...this.disks.values()].map((disk) => `the disk of ${disk.instance}`),
      ...[...this.machines.keys()].map((uuid) => `the processes of ${this.disks.get(uuid)?.instance ?? uuid}`),
    ];
  }
}
