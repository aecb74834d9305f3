import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import type { ExtraFile } from "@pileus/core/testing";

const SERVER = "/usr/sbin/dropbear";
const PORT = 2222;

/** An ssh server for a BusyBox guest, and the argv of a client that reaches it: `dropbear-bin` and `openssh-client`. */
export async function guestSsh(folder: string) {
  await mkdir(folder, { recursive: true });
  const key = join(folder, "key");
  await spawn(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  const extra: Record<string, ExtraFile> = {
    "/root/.ssh/authorized_keys": { content: await readFile(`${key}.pub`), mode: 0o600 },
    "/etc/shells": { content: "/bin/sh\n" },
    "/etc/rc.d/ssh": { content: `#!/bin/sh\nmkdir -p /etc/dropbear\n${SERVER} -R -p ${PORT}\n`, mode: 0o755 },
  };
  for (const path of [SERVER, ...libraries()]) extra[path] = { content: readFileSync(path), mode: 0o755 };
  const options = {
    IdentityFile: key,
    IdentitiesOnly: "yes",
    UserKnownHostsFile: "/dev/null",
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "no",
    LogLevel: "ERROR",
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const argv = (address: string, more: readonly string[] = []) => [
    "ssh",
    "-F",
    "none",
    ...flags,
    ...more,
    "-p",
    String(PORT),
    `root@${address}`,
    "true",
  ];
  return { extra, argv };
}

function libraries(): string[] {
  const listed = execFileSync("ldd", [SERVER], { encoding: "utf8" });
  return [...listed.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => (path === undefined ? [] : [path]));
}
