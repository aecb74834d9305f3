import { type Abortable, type InterfaceAddress, ProtocolError } from "@pileus/core";
import { parseJson, type Spawn, spawn as spawnTool } from "@pileus/core/driver";
import { z } from "zod";

// ip-address(8), --json. This text comes from the kernel, not from the container.
const InterfacesSchema = z.array(
  z.object({
    ifname: z.string(),
    link_type: z.string(),
    address: z.string().optional(),
    addr_info: z
      .array(z.object({ family: z.string(), local: z.string(), prefixlen: z.number(), scope: z.string() }))
      .default([]),
  }),
);

/** The addresses in the network namespace of a process, without loopback and link-local addresses. */
export async function readAddresses(
  pid: number,
  options: Abortable = {},
  spawn: Spawn = spawnTool,
): Promise<readonly InterfaceAddress[]> {
  const argv = ["nsenter", `--net=/proc/${pid}/ns/net`, "ip", "-json", "address", "show"];
  return parseAddresses((await spawn(argv, options)).stdout);
}

/** @throws {ProtocolError} */
export function parseAddresses(json: string): readonly InterfaceAddress[] {
  return parseInterfaces(json).flatMap(({ ifname, link_type, address, addr_info }) =>
    addr_info.flatMap(({ family, local, prefixlen, scope }) => {
      if (link_type === "loopback" || scope !== "global" || (family !== "inet" && family !== "inet6")) return [];
      return [{ interface: ifname, family, address: local, prefix: prefixlen, mac: address ?? "" } as const];
    }),
  );
}

function parseInterfaces(json: string): z.output<typeof InterfacesSchema> {
  try {
    return InterfacesSchema.parse(parseJson(json));
  } catch (cause) {
    throw new ProtocolError("ip -json printed unexpected output", json, { cause });
  }
}
