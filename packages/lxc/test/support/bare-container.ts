import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import type { ContainerSpec } from "../../src/container-spec.ts";
import { makeRoot } from "../../src/root.ts";

/** A container without a host: its image and all that belongs to it are in a folder, whose name ends with letters of its own. */
export function bareContainer(folder: string): ContainerSpec {
  return {
    name: "bare",
    hostName: "bare",
    hostId: `bare${basename(folder).slice(-6).toLowerCase()}`,
    root: { layers: [join(folder, "image")], folder: join(folder, "root") },
    idmap: { base: 1_900_000_000, count: 65_536 },
    init: { argv: ["sleep", "2147483647"], haltSignal: 15 },
    run: join(folder, "run"),
    log: join(folder, "log"),
    output: { kind: "console" },
    nics: [],
    limits: {},
  };
}

export async function makeBareContainer(folder: string): Promise<ContainerSpec> {
  const spec = bareContainer(folder);
  await makeBusyboxRootfs(join(folder, "image"));
  for (const made of [spec.run, spec.log]) mkdirSync(made);
  makeRoot(spec);
  return spec;
}
