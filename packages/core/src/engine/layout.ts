import { join } from "node:path";

/** The paths under a host's root. Only this file knows the names of the folders. */
export class Layout {
  readonly root: string;
  constructor(root: string) {
    this.root = root;
  }
  get images(): string {
    return join(this.root, "images");
  }
  get networks(): string {
    return join(this.root, "networks");
  }
  get instances(): string {
    return join(this.root, "instances");
  }
  get locks(): string {
    return join(this.root, "locks");
  }
  /** The identity of the root: see `host-id.ts`. */
  get identity(): string {
    return join(this.root, "host.json");
  }
  get hostLock(): string {
    return join(this.locks, "host");
  }
  driver(name: string): string {
    return join(this.root, "drivers", name);
  }
  instance(name: string): string {
    return join(this.instances, name);
  }
  record(name: string): string {
    return join(this.instance(name), "instance.json");
  }
  run(name: string): string {
    return join(this.instance(name), "run");
  }
  log(name: string): string {
    return join(this.instance(name), "log");
  }
  /** Holds one lock file for each stop under way. */
  stops(name: string): string {
    return join(this.instance(name), "stops");
  }
  instanceLock(name: string): string {
    return join(this.locks, `instance-${name}`);
  }
}
