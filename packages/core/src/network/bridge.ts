import { z } from "zod";
import { AlreadyExistsError, ProtocolError } from "../contract/errors.ts";
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
});

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
  const up = addressed && found.flags.includes("UP") && found.ifalias !== undefined;
  return up && (await isIpv6Off(facts.name)) ? "up" : "down";
}

/**
 * Makes or completes the bridge. `state` is the result of {@link bridgeState}. @throws {AlreadyExistsError} if it is
 * `foreign`.
 */
export async function raiseBridge(facts: BridgeFacts, state: BridgeState, options: LinkOptions = {}): Promise<void> {
  if (state === "up") return;
  if (state === "foreign") throw new AlreadyExistsError("interface", facts.name);
  const { name, hostId } = facts;
  if (state === "absent")
    await ipBatch([`link add name ${name} address ${bridgeMac(hostId, name)} type bridge forward_delay 0`], options);
  await turnIpv6Off(name); // before the bridge is up and receives packets
  await ipBatch(
    [
      `link set dev ${name} alias ${ownerAlias(hostId)} addrgenmode none up`,
      `addr replace ${facts.ipv4.address} brd + dev ${name}`,
    ],
    options,
  );
}

/** The machine's IPv4 routes. */
export async function readRoutes(options: LinkOptions = {}): Promise<readonly Route[]> {
  const spawn: Spawn = options.spawn ?? run;
  const { stdout } = await spawn(["ip", "-j", "-4", "route", "show"], { signal: options.signal });
  return parseIp(stdout, z.array(RouteSchema));
}

// `ip -j` prints nothing at all, instead of an empty list, where there is nothing to show.
function parseIp<S extends z.ZodType>(text: string, schema: S): z.output<S> {
  try {
    return schema.parse(text.trim() === "" ? [] : parseJson(text));
  } catch (cause) {
    throw new ProtocolError("the output of ip -j has an unexpected form", text, { cause });
  }
}
