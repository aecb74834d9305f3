import { z } from "zod";

/** The kind of an instance, independent of its driver. */
export type InstanceKind = "system-container" | "application-container" | "virtual-machine";

// A record, so that a kind that is missing here does not compile.
const KINDS: Readonly<Record<InstanceKind, true>> = {
  "system-container": true,
  "application-container": true,
  "virtual-machine": true,
};

export const InstanceKindSchema = z.enum(Object.keys(KINDS) as InstanceKind[]);
