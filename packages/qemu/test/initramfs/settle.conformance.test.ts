import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderHosts } from "@pileus/core/driver";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SETTLE_SCRIPT } from "../../src/initramfs/init-script.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-settle-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the script on a folder instead of /etc, with this host's shell and tools, which behave like BusyBox. */
function settle(...args: string[]): void {
  const script = SETTLE_SCRIPT.replaceAll("/etc", `${folder}/etc`)
    .replaceAll(/^alias .*$/gm, "")
    .replaceAll("busybox ", "");
  execFileSync("sh", ["-c", script, "settle", ...args]);
}
const read = (name: string) => readFileSync(join(folder, "etc", name), "utf8");

const nics = [
  { ipv4: { address: "10.90.0.7", prefix: 24, gateway: "10.90.0.1" }, dns: { servers: [], domain: "pileus" } },
  { ipv4: { address: "10.91.0.7", prefix: 24, gateway: "10.91.0.1" }, dns: { servers: [], domain: "back" } },
];
const words = ["eth0,02:00:00:aa:bb:cc,10.90.0.7,pileus", "eth1,02:00:00:aa:bb:cd,10.91.0.7,back"];

it("gives a guest the /etc/hosts that a container of its name would have", () => {
  settle("web");
  expect([read("hostname"), read("hosts")]).toEqual(["web\n", renderHosts("web", [])]);
  rmSync(join(folder, "etc/hosts"));
  settle("web", ...words);
  expect(read("hosts")).toBe(renderHosts("web", nics));
});

it("keeps the present entries, replaces a dangling link, and leaves a file alone that has the name", () => {
  mkdirSync(join(folder, "etc"));
  const own = "127.0.0.1 localhost\n10.0.0.1 db webs\n";
  writeFileSync(join(folder, "etc/hosts"), own);
  settle("web", ...words);
  const settled = renderHosts("web", nics, own);
  expect(read("hosts")).toBe(settled);
  settle("web");
  expect(read("hosts")).toBe(settled);
  rmSync(join(folder, "etc/hosts"));
  symlinkSync("/nonexistent/hosts", join(folder, "etc/hosts"));
  settle("web", ...words);
  expect(read("hosts")).toBe(renderHosts("web", nics));
});

it("drops the lines of a name that the guest had before, and no others", () => {
  mkdirSync(join(folder, "etc"));
  const own = "127.0.0.1 localhost\n10.90.0.7 old\n10.90.0.77 old.pileus old\n10.90.0.7 old.pileus old box\n";
  writeFileSync(join(folder, "etc/hosts"), own);
  settle("former", ...words);
  settle("web", ...words);
  expect(read("hosts")).toBe(renderHosts("web", nics, own));
});
