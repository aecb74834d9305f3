import type { Capability } from "../../contract/capability.ts";
import type { FakeMachine } from "./machine.ts";
import type { FakeTree } from "./tree.ts";

/** What outlives starts and stops of one fake instance. */
export interface FakeDisk {
  readonly instance: string;
  readonly tree: FakeTree;
  /** What the instance printed since its last start. */
  log: string;
}

/**
 * The machine that fake instances run on. It stands for what outlives a Node process: give the same world to a second
 * driver, and the host that opens with it finds what the first one's left running.
 */
export class FakeWorld {
  /** By the instance's uuid. */
  readonly disks = new Map<string, FakeDisk>();
  /** Of those that run, by the instance's uuid. */
  readonly machines = new Map<string, FakeMachine>();
  /** Capabilities that no instance has *now*, with the reason, as when a guest has no agent. */
  readonly lacking = new Map<Capability, string>();

  /** What is there of any instance, as words: empty once all are deleted. */
  leftovers(): string[] {
    return [
      ...[...this.disks.values()].map((disk) => `the disk of ${disk.instance}`),
      ...[...this.machines.keys()].map((uuid) => `the processes of ${this.disks.get(uuid)?.instance ?? uuid}`),
    ];
  }
}
