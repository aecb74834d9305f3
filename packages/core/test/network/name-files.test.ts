import { expect, it } from "vitest";
import { renderHosts, renderResolvConf } from "../../src/network/name-files.ts";

const nic = (address: string, server: string, domain: string) => ({
  ipv4: { address, prefix: 24, gateway: server },
  dns: { servers: [server], domain },
});
const nics = [nic("10.90.0.7", "10.90.0.1", "pileus"), nic("10.91.0.7", "10.91.0.1", "back")];
const STANDARD = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

it("lists the instance's full name first at its addresses, after the lines of its image", () => {
  expect(renderHosts("web", nics, "127.0.0.1 localhost")).toBe(
    "127.0.0.1 localhost\n10.90.0.7 web.pileus web\n10.91.0.7 web.back web\n",
  );
  expect(renderHosts("web", [])).toBe(`${STANDARD}127.0.1.1 web\n`);
  expect(renderHosts("web", nics.slice(0, 1), "\n")).toBe(`${STANDARD}10.90.0.7 web.pileus web\n`);
});

it("drops the lines that it wrote for another name, and no others", () => {
  const others = "10.90.0.7 box\n10.90.0.77 db.pileus db\n10.90.0.7 db.pileus db alias\n# 10.90.0.7 db.pileus db\n";
  const before = renderHosts("db", nics, others);
  expect(renderHosts("web", nics, before)).toBe(renderHosts("web", nics, others));
});

it("lists each resolver and domain once", () => {
  expect(renderResolvConf([...nics, ...nics])).toBe("search pileus back\nnameserver 10.90.0.1\nnameserver 10.91.0.1\n");
});
