import { findStaticBusybox, inspectNode, tryRuntimeDrive } from "@pileus/agent";
import { type Abortable, HostError, type HostReport, type Missing } from "@pileus/core";
import { missingTools, type Spawn } from "@pileus/core/driver";
import type { AcceleratorChoice } from "./accelerator.ts";
import { QEMU } from "./argv/argv.ts";
import type { Accelerator } from "./argv/machine-spec.ts";
import { confined } from "./confine.ts";
import type { KernelSupply } from "./kernel/supply.ts";
import { groupsFor } from "./kvm-group.ts";
import { trialUser } from "./machine-user.ts";
import { TOOLS } from "./tools.ts";

export interface ProbeParts extends Abortable {
  readonly spawn: Spawn;
  readonly kernel: KernelSupply;
  /** The Node binary of guests; absent for the one that runs this process. */
  readonly node?: string | undefined;
  /** The folder that kernels are downloaded to, if it is known. */
  readonly cache: string | undefined;
  readonly accelerator: () => Promise<AcceleratorChoice>;
}

/** Reports what this host has for virtual machines and what it lacks. Changes nothing. */
export async function probe(parts: ProbeParts): Promise<HostReport> {
  const missing: Missing[] = [];
  const facts: { name: string; value: string }[] = [];
  if (process.arch !== "x64") {
    const reason = `this host is ${process.arch}`;
    missing.push({ need: "architecture:x64", reason, fix: "use a host with x86-64 processors" });
  }
  missing.push(...missingTools(TOOLS));
  const busybox = await findStaticBusybox();
  if (busybox.missing !== undefined) missing.push(busybox.missing);
  const node = await probeNode(parts);
  if (node.fact !== undefined) facts.push({ name: "node of guests", value: node.fact });
  // What the drive lacks may be among the tools of before.
  missing.push(...node.missing.filter(({ need }) => !missing.some((known) => known.need === need)));
  const kernel = await parts.kernel.describe(parts.cache);
  if (kernel.missing === undefined) facts.push({ name: "kernel", value: kernel.fact });
  else missing.push(kernel.missing);
  if (!missing.some(({ need }) => need === `binary:${QEMU}`)) {
    const user = await trialUser();
    const argv = confined([QEMU, "--version"], user && { ...user, groups: [] });
    const { stdout } = await parts.spawn(argv, { signal: parts.signal });
    facts.unshift({ name: "qemu", value: /version (\S+)/.exec(stdout)?.[1] ?? stdout.trim() });
    const { accelerator, reason } = await parts.accelerator();
    facts.push({ name: "accelerator", value: `${accelerator} (${reason})` });
    missing.push(...(await missingGroup(accelerator)));
  }
  return { usable: missing.length === 0, missing, facts };
}

/** The Node of guests, tried as a guest runs it. */
async function probeNode(
  parts: ProbeParts,
): Promise<{ readonly fact?: string | undefined; readonly missing: readonly Missing[] }> {
  const node = await inspectNode(parts);
  if (node.missing !== undefined) return { missing: [node.missing] };
  const { spawn, signal, cache: folder } = parts;
  const which = `${node.version} (${node.path})`;
  try {
    const tried = await tryRuntimeDrive({ spawn, signal, folder, node: parts.node });
    return { fact: tried ? `${which}: runs the agent` : `${which}: only root can try it`, missing: [] };
  } catch (error) {
    if (error instanceof HostError) return { fact: which, missing: error.missing };
    throw error;
  }
}

/** What prevents a machine with a user of its own from using the accelerator. */
async function missingGroup(accelerator: Accelerator): Promise<readonly Missing[]> {
  if (process.geteuid?.() !== 0) return [];
  try {
    await groupsFor(accelerator);
    return [];
  } catch (error) {
    if (error instanceof HostError) return error.missing;
    throw error;
  }
}
