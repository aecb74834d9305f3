import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";

await using host = await openHost({ root: "/var/lib/pileus", drivers: [lxc()] });
const image = await host.images.import(
  { type: "debian", suite: "bookworm", packages: ["systemd-sysv"] },
  { aliases: ["debian"] },
);
await using container = await host.ephemeral(
  { driver: "lxc", name: "first", image, limits: { memory: "512MiB", cpu: 1, processes: 200 } },
  { ready: true },
);

// Every end of a program is a result; with `check`, every end other than exit code 0 is an error.
const { stdout } = await container.run(["cat", "/etc/debian_version"], { check: true });
console.log(`Debian ${stdout.trim()}`);
const missing = await container.run(["cat", "/no/such/file"]);
console.log(`cat ended with ${missing.exitCode}: ${missing.stderr.trim()}`);

await container.files.writeText("/root/hello.txt", "written from the host\n");
console.log((await container.run(["cat", "/root/hello.txt"])).stdout.trim());
const { memory } = await container.metrics();
console.log(`memory: ${Math.round(memory.bytes / 2 ** 20)} MiB`);
