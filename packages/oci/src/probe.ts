import { type Abortable, HostError, type HostReport } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { probeRuntime } from "@pileus/lxc/runtime";
import { SKOPEO_MISSING } from "./image/skopeo.ts";

/** See `Driver.probe()`: what liblxc needs, and skopeo for images. */
export async function probe(spawn: Spawn, options: Abortable): Promise<HostReport> {
  const runtime = await probeRuntime(options);
  const version = await skopeoVersion(spawn, options);
  const missing = version === undefined ? [...runtime.missing, SKOPEO_MISSING] : runtime.missing;
  const facts = version === undefined ? runtime.facts : [...runtime.facts, { name: "skopeo", value: version }];
  return { usable: missing.length === 0, missing, facts };
}

async function skopeoVersion(spawn: Spawn, { signal }: Abortable): Promise<string | undefined> {
  try {
    const { stdout } = await spawn(["skopeo", "--version"], { signal });
    return /version (\S+)/.exec(stdout)?.[1] ?? stdout.trim();
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
