import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { type PortRange, readPortRange } from "./port-range.ts";
import { shorthand } from "./shorthand.ts";

/** Which services of the host an instance reaches. */
export interface HostAccessInput {
  /**
   * Ports of the host, on every address that it has: a number (tcp), or a port or range with a protocol, as in
   * `"8125/udp"` and `"8000-8099"`; `"all"` for everything. Default none.
   */
  readonly allow?: "all" | readonly (number | string)[] | undefined;
}

/** A port or range of {@link HostAccessInput}, read. */
export interface HostPorts {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly ports: PortRange;
}

/** Reads an entry of {@link HostAccessInput}. Returns the problem, in words, if it is not one. */
export function readHostPorts(entry: number | string): HostPorts | string {
  const [, first, last, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/.exec(`${entry}`) ?? [];
  if (first === undefined) return 'is not a port: write 5432, "8000-8099" or "8125/udp"';
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp")
    return `the protocol must be tcp, udp or sctp, not ${protocol}`;
  const ports = readPortRange(first, last);
  return typeof ports === "string" ? ports : { protocol, ports };
}

const HostPortsSchema = z.union([z.number(), z.string()]).superRefine((entry, issues) => {
  const read = readHostPorts(entry);
  if (typeof read === "string") issues.addIssue({ code: "custom", message: `"${entry}": ${read}` });
});

const ALLOW = 'must be "all" or a list of ports, as in [5432, "8125/udp"]';

/** Reads {@link HostAccessInput}, or its `allow` alone. */
export const HostAccessSchema = shorthand(
  "allow",
  z.strictObject({
    allow: z.union([z.literal("all", ALLOW), z.array(HostPortsSchema).max(256).readonly()]).optional(),
  }),
);
type _HostAccess = Holds<Same<HostAccessInput, Frozen<z.output<typeof HostAccessSchema>>>>;
