import { z } from "zod";
import type { Frozen, Holds, Same } from "../../terms/same.ts";
import { type EgressInput, EgressSchema, refineEgress } from "../egress.ts";
import { type HostAccessInput, HostAccessSchema } from "../host-access.ts";
import { InterfaceNameSchema } from "../name.ts";
import { shorthand } from "../shorthand.ts";

/** {@link NicInput.ipv4} as an object. */
export interface NicIpv4 {
  /** An address in the network's range, as in `10.90.0.7`. */
  readonly address: string;
}

/** A network interface on a network of the host. Terms follow Incus' nic of type `bridged`. */
export interface NicInput {
  /** Marks the device as a network interface. */
  readonly type: "nic";
  /** The name of a managed network. */
  readonly network: string;
  /** The MAC address in lower case. Default: a locally administered one, chosen at create and kept until delete. */
  readonly hwaddr?: string | undefined;
  /**
   * A fixed IPv4 address in the network's range: `"10.90.0.7"`, or an object with that `address`. Default: one that is
   * reserved at create and kept until delete.
   */
  readonly ipv4?: string | NicIpv4 | undefined;
  /**
   * Whether the host drops what the nic sends with another MAC or address than its own, by ARP and IPv6 neighbour
   * discovery too, and its answers as a DHCP server or an IPv6 router. Switch it off for an instance that is a router or
   * a bridge itself. Default true.
   */
  readonly filter?: boolean | undefined;
  /**
   * Where the instance may open connections to, in place of the network's `egress`: as in
   * `{ allow: ["10.0.0.0/8:5432"] }`. What is refused fails at once. Replies to connections that others open always
   * pass. Needs `filter`.
   */
  readonly egress?: EgressInput | undefined;
  /**
   * Which services of the host the instance reaches, in place of the network's `host`: `[5432]` is short for
   * `{ allow: [5432] }`. DHCP, DNS and ping of the gateway always work.
   */
  readonly host?: HostAccessInput | HostAccessInput["allow"];
}

/** {@link NicInput} as drivers read it. */
export interface Nic extends NicInput {
  readonly ipv4?: NicIpv4 | undefined;
  readonly host?: HostAccessInput | undefined;
}

export const NicIpv4Schema = z.strictObject({ address: z.ipv4() });

/** Reads {@link NicInput}. */
export const NicSchema = z
  .strictObject({
    type: z.literal("nic"),
    network: InterfaceNameSchema,
    hwaddr: z
      .string()
      .regex(
        /^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/,
        "must be a unicast MAC address in lower case, as in 02:00:00:aa:bb:cc",
      )
      .optional(),
    ipv4: shorthand("address", NicIpv4Schema).optional(),
    filter: z.boolean().optional(),
    egress: EgressSchema.optional(),
    host: HostAccessSchema.optional(),
  })
  .superRefine(({ filter, egress, hwaddr }, issues) => {
    refineEgress(egress, issues);
    if (hwaddr === "00:00:00:00:00:00")
      issues.addIssue({ code: "custom", path: ["hwaddr"], message: "no interface has this address: leave it out" });
    // Without the filter, the instance may send from an address that the policy does not name.
    if (filter === false && egress !== undefined)
      issues.addIssue({ code: "custom", path: ["egress"], message: "needs the filter: leave filter out, or egress" });
  });
type _Nic = Holds<Same<Nic, Frozen<z.output<typeof NicSchema>>>>;
type _NicInput = Holds<Same<NicInput, Frozen<z.input<typeof NicSchema>>>>;
