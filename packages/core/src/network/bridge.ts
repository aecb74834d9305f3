import { z } from "zod";
import { AlreadyExistsError, ProtocolError } from "../errors/all.ts";
import { spawn as run, type Spawn } from "../system/spawn.ts";
import { parseJson } from "../text/bounded-json.ts";
import { type Route, RouteSchema } from "./choose-subnet.ts";
import { isIpv6Off, turnIpv6Off } from "./ipv6.ts";
import { ipBatch, type LinkOptions } from "./link.ts";
import { bridgeMac, ownerAlias } from "./names.ts";

/** The bridge that should exist; the bridge and its network have the same `name`. */
export interface BridgeFacts {
  readonly hostId: string;
  readonly name: string;
  readonly ipv4: { readonly address: string };
}

/** One interface of `ip -j addr show`, with the fields that are used here. */
const InterfaceSchema = z.object({
  flags: z.array(z.string()),
  address: z.string().optional(),
  ifalias: z.string().optional(),
  addr_info: z.array(z.object({ local: z.string().optional(), prefixlen: z.number() })),
  linkinfo: z
    .object({
      info_data: z.object({ stp_state: z.number().optional(), group_fwd_mask: z.string().optional() }).optional(),
    })
    .optional(),
});

/**
 * Frames for the next bridge alone (01:80:c2:00:00:03 to 0f) take the way of others through the bridge, where the
 * network's rules drop them. Otherwise the kernel hands them to the host past these rules, as if they had come to an
 * interface of the host; with a spanning tree protocol, those to 00 too. The kernel refuses a mask with 00, 01 or 02
 * (linux/if_bridge.h, BR_GROUPFWD_RESTRICTED in net/bridge/br_private.h).
 */
const RESERVED = { stp_state: 0, group_fwd_mask: "0xfff8" } as const;

/** `foreign`: an interface has the name and this root did not make it. `down`: ours, but not complete. */
export type BridgeState = "absent" | "foreign" | "down" | "up";

/** Looks at the bridge; changes nothing. */
export async function bridgeState(facts: BridgeFacts, options: LinkOptions = {}): Promise<BridgeState> {
  // Without -d, ip-address(8) leaves out the alias.
  const argv = ["ip", "-j", "-d", "addr", "show", "dev", facts.name];
  // ip(8) exits with 1 for an interface that does not exist, and prints nothing.
  const { stdout, stderr } = await (options.spawn ?? run)(argv, { signal: options.signal, allow: [0, 1] });
  if (stdout.trim() === "" && /does not exist/.test(stderr)) return "absent";
  const [found] = parseIp(stdout, z.array(InterfaceSchema));
  if (found === undefined) throw new ProtocolError(`ip addr show ${facts.name}: ${stderr.trim()}`, stdout);
  // The bridge is made with its hardware address and gets its alias a moment later. A process that was killed in
  // between left only the hardware address.
  const ours =
    found.ifalias === ownerAlias(facts.hostId) ||
    (found.ifalias === undefined && found.address === bridgeMac(facts.hostId, facts.name));
  if (!ours) return "foreign";
  const addressed = found.addr_info.some((a) => `${a.local}/${a.prefixlen}` === facts.ipv4.address);
  const { stp_state, group_fwd_mask } = found.linkinfo?.info_data ?? {};
  const complete = stp_state === RESERVED.stp_state && group_fwd_mask === RESERVED.group_fwd_mask;
  const up = addressed && complete && found.flags.includes("UP") && found.ifalias !== undefined;
  return up && (await isIpv6Off(facts.name)) ? "up" : "down";
}

/**
 * Makes or completes the bridge. `state` is the result of {@link bridgeState}. @throws {AlreadyExistsError} if it is
 * `foreign`.
 */
export async function raiseBridge(facts: BridgeFacts, state: BridgeState, options: LinkOptions = {}): Promise<void> {
  if (state === "up") return;
  if (state === "foreign") throw foreignInterface(facts.name);
  const { name, hostId } = facts;
  if (state === "absent")
    await ipBatch([`link add name ${name} address ${bridgeMac(hostId, name)} type bridge forward_delay 0`], options);
  await turnIpv6Off(name); // before the bridge is up and receives packets
  await ipBatch(
    [
      `link set dev ${name} type bridge stp_state ${RESERVED.stp_state} group_fwd_mask ${RESERVED.group_fwd_mask}`,
      `link set dev ${name} alias ${ownerAlias(hostId)} addrgenmode none up`,
      `addr replace ${facts.ipv4.address} brd + dev ${name}`,
    ],
    options,
  );
}

/** The error for an interface of the machine, or of another root, that has the name of a network. */
export function foreignInterface(name: string): AlreadyExistsError {
  return new AlreadyExistsError("interface", name, {
    hint: "this root did not make it: choose another name for the network",
  });
}

/**
 * The machine's IPv4 routes of its main table; with `every`, also those of the tables that rules of routing lead to, as
 * VPN clients have them. Without those to the machine itself.
 */
export async function readRoutes(options: LinkOptions & { readonly every?: boolean } = {}): Promise<readonly Route[]> {
  const spawn: Spawn = options.spawn ?? run;
  const table = options.every ? ["table", "all"] : [];
  const { stdout } = await spawn(["ip", "-j", "-4", "route", "show", ...table], { signal: options.signal });
  return parseIp(stdout, z.array(RouteSchema)).filter((route) => route.table !== "local");
}

// `ip -j` prints nothing at all, instead of an empty list, where there is nothing to show.
function parseIp<S extends z.ZodType>(text: string, schema: S): z.output<S> {
  try {
    return schema.parse(text.trim() === "" ? [] : parseJson(text));
  } catch (cause) {
    throw new ProtocolError("the output of ip -j has an unexpected form", text, { cause });
  }
}
