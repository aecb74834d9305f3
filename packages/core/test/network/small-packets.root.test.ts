import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, expect, it } from "vitest";
import { removeInterface } from "../../src/network/link.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS } from "./fixtures/managed-place.ts";
import { Namespace } from "./fixtures/namespace.ts";

const NAME = `pilm${process.pid}`;
const PORT = 7000;
const SIZE = 100_000;
const SERVER = `require("net").createServer((socket) => socket.end(Buffer.alloc(${SIZE}))).listen(${PORT}, () => console.log("ready"))`;
const CLIENT = `let got = 0; const socket = require("net").connect(${PORT}, "198.51.100.74");
socket.setTimeout(5000, () => socket.destroy()); socket.on("data", (part) => { got += part.length; }).on("close", () => console.log(got));`;

let place: ManagedPlace;
beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `m${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

it(
  "an instance gets whole answers through an uplink with shorter packets, though nobody tells the server",
  requires(NEEDS, async () => {
    await place.networks.create({ name: NAME });
    const { namespace } = await place.instance("a");
    await namespace.dhcp(place.folder);
    // RFC 5737's TEST-NET-2. A veth drops what is too long for its other end, and says nothing.
    await using outside = await Namespace.make();
    const veth = `pm${process.pid}`;
    await spawn(`ip link add name ${veth} type veth peer name eth0 netns ${outside.pid}`.split(" "));
    place.cleanup.push(() => removeInterface(veth));
    await spawn(`ip addr add 198.51.100.73/30 dev ${veth}`.split(" "));
    await spawn(`ip link set dev ${veth} mtu 1400 up`.split(" "));
    await outside.run(..."ip addr add 198.51.100.74/30 dev eth0".split(" "));
    // Else the kernel sends many segments as one packet, which no limit stops.
    await outside.run(..."ip link set eth0 mtu 1500 gso_max_segs 1 up".split(" "));
    const argv = ["--net", "--target", `${outside.pid}`, process.execPath, "-e", SERVER];
    const server = spawnProcess("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
    const exit = once(server, "exit");
    try {
      await once(server.stdout, "data");
      expect(await namespace.run(process.execPath, "-e", CLIENT)).toBe(`${SIZE}\n`);
    } finally {
      server.kill("SIGKILL");
      await exit;
    }
  }),
);
