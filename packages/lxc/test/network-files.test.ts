import { expect, it } from "vitest";
import { renderHosts, renderResolvConf } from "../src/network-files.ts";
import { FULL_SPEC } from "./support/spec.ts";

const { nics } = FULL_SPEC;

it("names the instance at its addresses, below what its image has", () => {
  expect(renderHosts("web", nics, "127.0.0.1 localhost")).toBe("127.0.0.1 localhost\n10.90.0.7 web\n10.91.0.7 web\n");
  expect(renderHosts("web", [])).toBe("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 web\n");
});

it("names each resolver and domain once", () => {
  expect(renderResolvConf([...nics, ...nics])).toBe("search pileus back\nnameserver 10.90.0.1\nnameserver 10.91.0.1\n");
});
