import { accessSync, constants, readFileSync } from "node:fs";
import { HostError } from "@pileus/core";
import { type CgroupLayout, findTool, type Missing, missingTool, readCgroupLayout } from "@pileus/core/driver";
import type { ConfigFacts } from "./config/container-config.ts";

/** What a launch must know of the host. */
export interface HostFacts extends ConfigFacts {
  readonly cgroups: CgroupLayout;
  readonly tools: { readonly start: string; readonly attach: string };
}

/** Debian's and Alpine's place; installed with liblxc. */
const SECCOMP_PROFILE = "/usr/share/lxc/config/common.seccomp";

const ROOT: Missing = { need: "root", reason: "containers are made by root", fix: "run as root" };

/** What is lacking where we are not root, whom all else asks for. */
export function missingRoot(): readonly Missing[] {
  return process.geteuid?.() === 0 ? [] : [ROOT];
}

/** @throws {HostError} unless we are root */
export function requireRoot(): void {
  const missing = missingRoot();
  if (missing.length > 0) throw new HostError("make a container", missing);
}

/** Read anew each time: it takes a fraction of a millisecond, and hosts change. @throws {HostError} without liblxc's tools */
export function readHostFacts(): HostFacts {
  return {
    cgroups: readCgroupLayout(),
    tools: { start: requireTool("lxc-start"), attach: requireTool("lxc-attach") },
    seccompProfile: findSeccompProfile(),
    apparmor: hasApparmor(),
  };
}

/** The absolute path of a tool: it is run with another PATH, or none. */
function requireTool(name: string): string {
  const found = findTool(name);
  if (found !== undefined) return found;
  throw new HostError("run containers", [missingTool(name, "lxc")]);
}

/** The system calls that containers are refused: liblxc's own list, where it is installed. */
export function findSeccompProfile(): string | undefined {
  try {
    accessSync(SECCOMP_PROFILE, constants.R_OK);
    return SECCOMP_PROFILE;
  } catch {
    return undefined;
  }
}

function hasApparmor(): boolean {
  try {
    return readFileSync("/sys/module/apparmor/parameters/enabled", "latin1").trim() === "Y";
  } catch {
    // The kernel was built without.
    return false;
  }
}
