import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { type EgressInput, EgressSchema, refineEgress } from "./egress.ts";
import { type HostAccessInput, HostAccessSchema } from "./host-access.ts";
import { whyNothingResolvesIn } from "./host-name.ts";
import { InterfaceNameSchema, LOOPBACK } from "./name.ts";
import { shorthand } from "./shorthand.ts";
import { objectAs } from "./wording.ts";

/** {@link NetworkConfigInput.ipv4} as an object. */
export interface NetworkIpv4Input {
  /**
   * The address of the bridge and the prefix of the network, as in `10.90.0.1/24`. Default: a free /24 of 10.64.0.0/10,
   * or where a route covers that, of 172.16.0.0/12 or 192.168.0.0/16.
   */
  readonly address?: string | undefined;
  /**
   * Masquerades traffic that leaves the network, and allows only the host to open connections into it. When false, the
   * network is routed in both directions. Default true.
   */
  readonly nat?: boolean | undefined;
}

/** {@link NetworkConfigInput.dns} as an object. */
export interface NetworkDnsInput {
  /** The domain in which names of instances resolve. It cannot end in a number or `localhost`. Default `pileus`. */
  readonly domain?: string | undefined;
}

/** The configuration of a managed bridge network. */
export interface NetworkConfigInput {
  /** Also the bridge's name on the host. */
  readonly name: string;
  /**
   * The address of the bridge and the prefix of the network, as in `"10.90.0.1/24"`, or an object with that `address`.
   * Default: a free /24 of 10.64.0.0/10, or where a route covers that, of 172.16.0.0/12 or 192.168.0.0/16, with NAT.
   */
  readonly ipv4?: string | NetworkIpv4Input | undefined;
  /** Names on the network. */
  readonly dns?: NetworkDnsInput | undefined;
  /** Whether instances reach the host and what is beyond, but not each other. Default false. */
  readonly isolated?: boolean | undefined;
  /**
   * Where instances may open connections to, unless their nic says it. With a policy here, each nic needs its filter.
   * Default: everywhere beyond the host.
   */
  readonly egress?: EgressInput | undefined;
  /**
   * Which services of the host instances reach, unless their nic says it: `[5432]` is short for `{ allow: [5432] }`.
   * Default: DHCP, DNS and ping of the gateway alone, which always work.
   */
  readonly host?: HostAccessInput | HostAccessInput["allow"];
}

/** The definition of a managed network, with its address. */
export interface NetworkConfig extends NetworkConfigInput {
  readonly ipv4: { readonly [K in keyof NetworkIpv4Input]-?: NonNullable<NetworkIpv4Input[K]> };
  readonly dns: { readonly [K in keyof NetworkDnsInput]-?: NonNullable<NetworkDnsInput[K]> };
  readonly isolated: boolean;
  readonly host?: HostAccessInput | undefined;
}

/** A domain that is short enough for an instance's name before it. */
export const DomainSchema = z
  .string()
  .max(189, "a domain can have at most 189 characters, so that every name in it has at most 253 (RFC 1035)")
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/,
    "a domain must be labels of a-z, 0-9 and -, joined by dots",
  );

const NewDomainSchema = DomainSchema.superRefine((domain, issues) => {
  const message = whyNothingResolvesIn(domain);
  if (message !== undefined) issues.addIssue({ code: "custom", message: `${message}: choose another domain` });
});

/** Reads {@link NetworkConfigInput}. */
export const NetworkConfigSchema = z
  .strictObject(
    {
      name: InterfaceNameSchema,
      ipv4: shorthand(
        "address",
        z.strictObject({ address: z.cidrv4().optional(), nat: z.boolean().default(true) }),
      ).prefault({}),
      dns: z.strictObject({ domain: NewDomainSchema.default("pileus") }, objectAs('{ domain: "pileus" }')).prefault({}),
      isolated: z.boolean().default(false),
      egress: EgressSchema.optional(),
      host: HostAccessSchema.optional(),
    },
    objectAs('{ name: "net0" }'),
  )
  .superRefine(({ name, ipv4, egress }, issues) => {
    refineEgress(egress, issues);
    if (name === "lo") issues.addIssue({ code: "custom", path: ["name"], message: LOOPBACK });
    if (ipv4.address?.startsWith("169.254."))
      issues.addIssue({
        code: "custom",
        path: ["ipv4", "address"],
        message:
          "169.254.0.0/16 is of addresses that hosts take by themselves (RFC 3927), and clouds have their metadata there: choose another",
      });
  });
type _NetworkConfigInput = Holds<Same<NetworkConfigInput, Frozen<z.input<typeof NetworkConfigSchema>>>>;

/** {@link NetworkConfig} before the choice of an address. */
export type WantedNetwork = Frozen<z.output<typeof NetworkConfigSchema>>;
