import type { Abortable, HostReport } from "@pileus/core";
import { findTool, missingTools, type Spawn } from "@pileus/core/driver";
import { probeRuntime } from "@pileus/lxc/runtime";
import { SKOPEO } from "./image/skopeo.ts";

/** See `Driver.probe()`: checks what liblxc needs, and skopeo for images. */
export async function probe(spawn: Spawn, options: Abortable): Promise<HostReport> {
  const runtime = await probeRuntime(options);
  const missing = [...runtime.missing, ...missingTools({ [SKOPEO]: SKOPEO })];
  const version = await skopeoVersion(spawn, options);
  const facts = version === undefined ? runtime.facts : [...runtime.facts, { name: "skopeo", value: version }];
  return { usable: missing.length === 0, missing, facts };
}

async function skopeoVersion(spawn: Spawn, { signal }: Abortable): Promise<string | undefined> {
  if (findTool(SKOPEO) === undefined) return undefined;
  const { stdout } = await spawn([SKOPEO, "--version"], { signal });
  return /version (\S+)/.exec(stdout)?.[1] ?? stdout.trim();
}
