import type { MachineSpec } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** The most slots: four places on the bus, each with eight functions. */
export const MAX_SLOTS = 32;

/** The first place on the bus that has them. QEMU gives the devices of the command line the lowest free ones. */
const FIRST_PLACE = 0x18;
const FUNCTIONS = 8;

/** The id of the slot with this number, from 0 on: the bus of a device that is plugged into it. */
export function slotId(number: number): string {
  return `slot${number}`;
}

/**
 * The slots into which devices can be plugged while the machine runs: the bus of a q35 itself takes none (qemu,
 * docs/pcie.txt). They have fixed places, so that they do not move when a device is added to the command line.
 */
export function renderSlots({ slots }: MachineSpec): string[] {
  return Array.from({ length: slots }, (_, number) => {
    const [place, part] = [FIRST_PLACE + Math.floor(number / FUNCTIONS), number % FUNCTIONS];
    const values = { id: slotId(number), bus: "pcie.0", chassis: number + 1, addr: `${place.toString(16)}.${part}` };
    // The guest only looks for further functions if the first one announces them.
    return ["-device", renderOption("pcie-root-port", { ...values, multifunction: part === 0 ? true : undefined })];
  }).flat();
}
