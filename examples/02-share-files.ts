/**
 * A system container on a managed network: push a folder in, work on it, pull the result out.
 *
 *     02-share-files.ts FOLDER RESULT
 */
import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) throw new Error("usage: 02-share-files.ts FOLDER RESULT");

await using host = await openHost({ root: "/var/lib/pileus", drivers: [lxc()] });
await host.networks.create({ name: "example0" });
const image = await host.images.import({ type: "debian", suite: "bookworm", packages: ["systemd-sysv"] });

{
  await using builder = await host.ephemeral({
    driver: "lxc",
    name: "builder",
    image,
    limits: { memory: "512MiB", cpu: 1 },
    devices: { eth0: { type: "nic", network: "example0" } },
  });
  await builder.ready();
  console.log("addresses:", await builder.addresses());

  await builder.files.push(source, "/root/source");
  const count = ["sh", "-c", "find . -type f | xargs sha256sum > ../sums && wc -l ../sums"];
  const { stdout } = await builder.run(count, { cwd: "/root/source", timeout: 60_000, check: true });
  console.log(stdout.trim());
  await builder.files.pull("/root/sums", target);
  console.log("metrics:", await builder.metrics());
}
await host.networks.delete("example0");
