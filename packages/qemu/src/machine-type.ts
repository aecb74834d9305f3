import { join } from "node:path";
import { type Abortable, HostError, isInstanceError } from "@pileus/core";
import { type InstanceContext, isDiskFull, readIfThere, replaceFile } from "@pileus/core/driver";
import type { MachineType } from "./argv/machine-spec.ts";
import type { QmpClient } from "./qmp/index.ts";
import type { QemuSection } from "./section.ts";

/** A q35 as one version of QEMU has it, by its name in QEMU. */
export const VERSIONED = /^pc-q35-\d{1,3}\.\d{1,3}(?:\.\d{1,3})?$/;

/** The kind of computer that a section asks for, whatever its version. */
export function machineTypeOf({ machine }: Pick<QemuSection, "machine">): MachineType {
  return machine === "microvm" ? "microvm" : "q35";
}

/**
 * The board that QEMU is asked for. A q35 stays what it was at the first start of its instance, so that a later QEMU shows
 * the guest the same hardware. QEMU has no versions of microvm.
 */
export async function boardFor(
  instance: Pick<InstanceContext, "folder">,
  section: Pick<QemuSection, "machine">,
): Promise<string> {
  if (section.machine !== "q35") return section.machine;
  return (await readKept(instance)) ?? section.machine;
}

/** Keeps the board of a q35 with its instance, if none is kept. Resolves with what runs. */
export async function keepBoard(
  instance: Pick<InstanceContext, "folder">,
  board: string,
  qmp: Pick<QmpClient, "execute">,
  options: Abortable,
): Promise<string> {
  if (board !== "q35") return board;
  // The alias "q35" is another machine in each version of QEMU; the one that runs knows its own name.
  const type = await qmp.execute("qom-get", { path: "/machine", property: "type" }, options);
  const resolved = String(type).replace(/-machine$/, "");
  if (!VERSIONED.test(resolved)) return board;
  try {
    await replaceFile(keptIn(instance), `${resolved}\n`);
  } catch (error) {
    // The next start keeps it.
    if (!isDiskFull(error)) throw error;
  }
  return resolved;
}

/** The error of a start, or a better one if QEMU does not have the board any more. */
export function explainBoard(error: unknown, board: string): unknown {
  if (!isInstanceError(error, "ERR_COMMAND") || !error.stderr.includes("unsupported machine type")) return error;
  const fix =
    'start it with the QEMU that it was started with before, or update({ qemu: { machine: … } }) to one of "qemu-system-x86_64 -machine help"';
  const reason = "this QEMU does not have it";
  return new HostError("start a virtual machine", [{ need: `machine-type:${board}`, reason, fix }], { cause: error });
}

async function readKept(instance: Pick<InstanceContext, "folder">): Promise<string | undefined> {
  const kept = (await readIfThere(keptIn(instance)))?.trim() ?? "";
  return VERSIONED.test(kept) ? kept : undefined;
}

function keptIn({ folder }: Pick<InstanceContext, "folder">): string {
  return join(folder, "machine-type");
}
