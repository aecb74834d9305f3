import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";
import { qemu } from "@pileus/qemu";

await using host = await openHost({ root: "/var/lib/pileus", drivers: [lxc(), qemu()] });
const image = await host.images.import({ type: "debian", suite: "bookworm", packages: ["systemd-sysv"] });
for (const driver of ["lxc", "qemu"] as const) {
  await using instance = await host.ephemeral({ driver, name: "hello", image }, { ready: true });
  const shell = await instance.exec(["sh", "-c", "uname -srm; cat"]);
  shell.stdin.end(`the same call, in a ${(await instance.inspect()).kind}\n`);
  for await (const chunk of shell.stdout) process.stdout.write(chunk);
  console.log(await shell.exit);
}
