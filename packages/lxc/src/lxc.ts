import type { Driver } from "@pileus/core/driver";
import { LxcBackend, type LxcCapability } from "./backend.ts";
import { probeRuntime } from "./probe.ts";
import { LxcSectionSchema } from "./section.ts";

const CAPABILITIES: ReadonlySet<LxcCapability> = new Set([
  "exec",
  "detached",
  "files",
  "freeze",
  "network",
  "metrics",
  "logs",
  "console",
  "reboot",
]);

/** The type of {@link lxc}. An editor shows it by this name. */
export interface LxcDriver extends Driver<"lxc", LxcCapability, typeof LxcSectionSchema> {}

/**
 * The driver of system containers: `openHost({ drivers: [lxc()] })`. Creates no file and starts no process by itself.
 */
export function lxc(): LxcDriver {
  return {
    name: "lxc",
    kind: "system-container",
    capabilities: CAPABILITIES,
    section: LxcSectionSchema,
    accepts: ["rootfs"],
    probe: probeRuntime,
    open: (context) => new LxcBackend(context),
  };
}
