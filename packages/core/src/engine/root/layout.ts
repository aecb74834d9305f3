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
  /** Holds a symlink for each name: see `names.ts`. */
  get names(): string {
    return join(this.root, "names");
  }
  get locks(): string {
    return join(this.root, "locks");
  }
  /** What every process did: see `engine/journal/`. */
  get journal(): string {
    return join(this.root, "journal");
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
  name(name: string): string {
    return join(this.names, name);
  }
  /** `key` is the uuid of the instance: see `names.ts`. */
  instance(key: string): string {
    return join(this.instances, key);
  }
  record(key: string): string {
    return join(this.instance(key), "instance.json");
  }
  run(key: string): string {
    return join(this.instance(key), "run");
  }
  /** What the current run was launched with: see `manifest.ts`. */
  manifest(key: string): string {
    return join(this.run(key), "run.json");
  }
  log(key: string): string {
    return join(this.instance(key), "log");
  }
  /** Holds one lock file for each stop under way. */
  stops(key: string): string {
    return join(this.instance(key), "stops");
  }
  instanceLock(key: string): string {
    return join(this.locks, `instance-${key}`);
  }
}
