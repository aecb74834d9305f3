import { access, constants, readFile } from "node:fs/promises";
import { HostError } from "@pileus/core";
import { type CgroupLayout, findTool, readCgroupLayout } from "@pileus/core/driver";
import type { ConfigFacts } from "./config/container-config.ts";

/** What a launch must know of the host. */
export interface HostFacts extends ConfigFacts {
  readonly cgroups: CgroupLayout;
  readonly tools: { readonly start: string; readonly attach: string };
}

/** Debian's and Alpine's place; installed with liblxc. */
const SECCOMP_PROFILE = "/usr/share/lxc/config/common.seccomp";

/** Read anew each time: a millisecond, and hosts change. @throws {HostError} when liblxc's tools are not there. */
export async function readHostFacts(): Promise<HostFacts> {
  const [start, attach, seccomp, apparmor] = await Promise.all([
    requireTool("lxc-start"),
    requireTool("lxc-attach"),
    findSeccompProfile(),
    readFile("/sys/module/apparmor/parameters/enabled", "latin1").catch(() => "N"),
  ]);
  return {
    cgroups: readCgroupLayout(),
    tools: { start, attach },
    seccompProfile: seccomp,
    apparmor: apparmor.trim() === "Y",
  };
}

/** The absolute path of a tool: it is run with another PATH, or none. */
async function requireTool(name: string): Promise<string> {
  const found = await findTool(name);
  if (found !== undefined) return found;
  const missing = { need: `binary:${name}`, reason: "not on PATH", fix: "apt-get install lxc" };
  throw new HostError("run containers", [missing]);
}

/** The system calls that containers are refused: liblxc's own list, where it is installed. */
export async function findSeccompProfile(): Promise<string | undefined> {
  return await access(SECCOMP_PROFILE, constants.R_OK).then(
    () => SECCOMP_PROFILE,
    () => undefined,
  );
}
