import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LEASE_SCRIPT } from "../../src/initramfs/init-script.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-lease-"));
  for (const name of ["etc", "run/pileus/leases"]) mkdirSync(join(folder, name), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the script in a folder instead of the root, with this host's shell and tools, which behave like BusyBox. */
function lease(values: Readonly<Record<string, string>>): void {
  const script = LEASE_SCRIPT.replaceAll(/(?<=[" >])\/(?=etc|run)/g, `${folder}/`)
    .replaceAll(/^alias .*$/gm, "")
    .replaceAll("busybox ip ", ": ")
    .replaceAll("busybox ", "");
  execFileSync("sh", ["-c", script, "lease", "bound"], { env: { PATH: process.env["PATH"], METRIC: "0", ...values } });
}
const lan = { interface: "lan0", ip: "10.90.0.7", mask: "24", router: "10.90.0.1", dns: "10.90.0.1", domain: "pileus" };
const RESOLVED = "run/systemd/resolved.conf.d/pileus-lan0.conf";
const read = (name: string) => readFileSync(join(folder, name), "utf8");

it("writes the servers of all leases into resolv.conf, and nothing for systemd where it is not the init", () => {
  lease(lan);
  lease({ ...lan, interface: "lan1", dns: "10.91.0.1 10.91.0.2", domain: "" });
  const servers = ["search pileus", ...["10.90.0.1", "10.91.0.1", "10.91.0.2"].map((server) => `nameserver ${server}`)];
  expect(read("etc/resolv.conf")).toBe(`${servers.join("\n")}\n`);
  expect(existsSync(join(folder, "run/systemd"))).toBe(false);
});

it("tells systemd-resolved, which owns the file behind the link, of the servers before it starts", () => {
  mkdirSync(join(folder, "run/systemd/system"), { recursive: true });
  mkdirSync(join(folder, "run/systemd/resolve"));
  symlinkSync(join(folder, "run/systemd/resolve/stub-resolv.conf"), join(folder, "etc/resolv.conf"));
  lease({ ...lan, dns: "10.90.0.1 10.90.0.2" });
  expect(read(RESOLVED)).toBe("[Resolve]\nDNS=10.90.0.1 10.90.0.2\nDomains=pileus\n");
  // Until it starts, others find servers in the file that it will replace.
  expect(read("etc/resolv.conf")).toContain("nameserver 10.90.0.1\n");
});

it("writes only addresses and names of a lease", () => {
  mkdirSync(join(folder, "run/systemd/system"), { recursive: true });
  lease({ ...lan, dns: "10.90.0.1 $(id) * ;x", domain: "pileus\nDNSSEC=no [x]" });
  expect(read(RESOLVED)).toBe("[Resolve]\nDNS=10.90.0.1\nDomains=pileus\n");
  expect(read("etc/resolv.conf")).toBe("search pileus\nnameserver 10.90.0.1\n");
});
