import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removeInterface } from "../../src/network/link.ts";
import { bridgeMac } from "../../src/network/names.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { attacker } from "./fixtures/attacker.ts";
import { ethernet, icmp, packet, udp, word } from "./fixtures/frames.ts";
import { ManagedPlace, NEEDS } from "./fixtures/managed-place.ts";
import { Namespace } from "./fixtures/namespace.ts";

const NAME = `pilh${process.pid}`;
const HOST_ID = `h${process.pid}`.padEnd(10, "0");
const TUN = [...NEEDS, "tun"] as const;
const IPV4 = 0x0800;
// RFC 5737: TEST-NET-2 is the machine's and its neighbour's.
const MACHINE = "198.51.100.85";
const OUTSIDE = "198.51.100.86";

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, HOST_ID);
  await place.networks.create({ name: NAME });
});
afterEach(() => place[Symbol.asyncDispose]());

/** A neighbour of the machine. */
async function outside(): Promise<Namespace> {
  const namespace = await Namespace.make();
  place.cleanup.push(() => namespace[Symbol.asyncDispose]());
  const veth = `poh${process.pid}`;
  await spawn(`ip link add name ${veth} type veth peer name eth0 netns ${namespace.pid}`.split(" "));
  place.cleanup.push(() => removeInterface(veth));
  await spawn(`ip addr add ${MACHINE}/30 dev ${veth}`.split(" "));
  await spawn(`ip link set dev ${veth} up`.split(" "));
  await namespace.run(..."ip link set eth0 up".split(" "));
  await namespace.run(...`ip addr add ${OUTSIDE}/30 dev eth0`.split(" "));
  return namespace;
}

describe("an instance that quotes connections of others in errors", () => {
  it(
    "ends none of the host, and reaches nobody beyond its policy",
    requires(TUN, async () => {
      const beyond = await outside();
      const a = await attacker(place, { egress: { allow: [] } });
      const router = bridgeMac(HOST_ID, NAME);
      // A connection of the host that it opens, and one that it answers.
      const socket = createSocket("udp4");
      place.cleanup.push(async () => socket.close());
      const ended: string[] = [];
      socket.on("error", (error: NodeJS.ErrnoException) => ended.push(error.code ?? ""));
      socket.bind(0, MACHINE);
      await once(socket, "listening");
      socket.connect(9, OUTSIDE);
      await once(socket, "connect");
      const server = createServer((opened) => opened.end("hello")).listen(0, MACHINE);
      await once(server, "listening");
      place.cleanup.push(async () => server.close());
      const { port } = server.address() as AddressInfo;
      const opener = 40_001;
      const script = `require("net").connect({ port: ${port}, host: "${MACHINE}", localPort: ${opener} })
        .on("data", (text) => console.log(String(text)))`;
      expect(await beyond.run(process.execPath, "-e", script)).toBe("hello\n");
      // Nobody listens at 9, and the host is not to hear so from the neighbour itself.
      await beyond.run("nft", "add table ip quiet; add chain ip quiet in { type filter hook input priority 0; }");
      await beyond.run("nft", "add rule ip quiet in udp dport 9 drop");
      const counted = await beyond.count(place.folder, "icmp type destination-unreachable");
      const forge = async () => {
        socket.send("hello");
        const mine = udp(MACHINE, OUTSIDE, [socket.address().port, 9], Buffer.from("hello"));
        // The ports and the number of TCP, as much as an error has to quote.
        const theirs = packet(OUTSIDE, MACHINE, 6, Buffer.concat([word(opener), word(port), Buffer.alloc(4)]));
        a.send(ethernet(router, a.mac, IPV4, packet(a.address, MACHINE, 1, icmp(3, 3, mine))));
        a.send(ethernet(router, a.mac, IPV4, packet(a.address, OUTSIDE, 1, icmp(3, 3, theirs))));
        await spawn(["busybox", "ping", "-c", "1", "-W", "5", OUTSIDE]);
      };
      // The rules of the bridge know what a nic may quote; those of the host have to do without them.
      for (const family of ["", "bridge", "inet"]) {
        if (family !== "") await spawn(["nft", "delete", "table", family, `pileus_${NAME}`]);
        await forge();
        const reaches = family === "inet";
        expect({ family, ended: ended.length > 0, beyond: (await counted()) > 0 }).toEqual({
          family,
          ended: reaches,
          beyond: reaches,
        });
      }
    }),
  );
});
