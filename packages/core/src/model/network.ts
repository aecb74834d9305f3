import { z } from "zod";
import { whyNothingResolvesIn } from "./host-name.ts";
import { InterfaceNameSchema } from "./name.ts";

/** A domain, short enough for an instance's name before it. */
export const DomainSchema = z
  .string()
  .max(189, "a domain has at most 189 characters, so that every name in it has at most 253 (RFC 1035)")
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/,
    "a domain is labels of a-z, 0-9 and -, joined by dots",
  );

/** A managed bridge network. */
export const NetworkConfigSchema = z.strictObject({
  /** Also the bridge's name on the host. */
  name: InterfaceNameSchema,
  /** The bridge's own address and the network, as in `10.90.0.1/24`. Default: a free /24 of 10.64.0.0/10. */
  "ipv4.address": z.cidrv4().optional(),
  /**
   * Masquerades what leaves the network, and lets nobody but the host begin a connection into it. Without, the network
   * is routed both ways. Default true.
   */
  "ipv4.nat": z.boolean().default(true),
  /** The domain in which instances' names resolve. Neither a number nor `localhost` may end it: nothing would. */
  "dns.domain": DomainSchema.superRefine((domain, issues) => {
    const message = whyNothingResolvesIn(domain);
    if (message !== undefined) issues.addIssue({ code: "custom", message: `${message}: choose another domain` });
  }).default("pileus"),
});
export type NetworkConfigInput = z.input<typeof NetworkConfigSchema>;
/** With its address chosen. */
export type NetworkConfig = z.output<typeof NetworkConfigSchema> & { readonly "ipv4.address": string };
