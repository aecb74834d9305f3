import { z } from "zod";
import { InterfaceNameSchema } from "../name.ts";

/** A network interface on a network of the host. Terms follow Incus' nic of type `bridged`. */
export const NicSchema = z.strictObject({
  type: z.literal("nic"),
  /** A managed network's name. */
  network: InterfaceNameSchema,
  /** The hardware address, lower case. Default: made at create, locally administered, kept for the instance's life. */
  hwaddr: z
    .string()
    .regex(/^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/, "a unicast MAC in lower case, as in 02:00:00:aa:bb:cc")
    .optional(),
  /** A fixed IPv4 address in the network's range. Default: reserved at create, kept for the instance's life. */
  "ipv4.address": z.ipv4().optional(),
});
export type Nic = z.output<typeof NicSchema>;
export type NicInput = z.input<typeof NicSchema>;
