import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";
import { qemu } from "@pileus/qemu";

await using host = await openHost({ root: "/var/lib/pileus", drivers: [lxc(), qemu()] });
await host.networks.create({ name: "incusbr1", ipv4: { nat: true } }); // incus network create incusbr1 ipv4.nat=true
const image = await host.images.import({ type: "debian", suite: "bookworm", packages: ["systemd-sysv"] });

// incus launch debian web -c limits.memory=512MiB -c user.app=demo; with --vm the driver would be "qemu"
const web = await host.create({
  driver: "lxc",
  name: "web",
  image,
  labels: { app: "demo" },
  limits: { memory: "512MiB", cpu: 1 },
  devices: { eth0: { type: "nic", network: "incusbr1" } },
});
try {
  await web.start();
  await web.ready();
  const { stdout } = await web.run(["hostname", "-f"], { check: true }); // incus exec web -- hostname -f
  console.log(stdout.trim());
  await web.files.writeText("/etc/motd", "moved\n"); // incus file push
  for (const { name, state, driver } of await host.list({ labels: { app: "demo" } })) console.log(name, state, driver); // incus list user.app=demo
  await web.freeze(); // incus pause web
  await web.unfreeze(); // incus resume web
  await web.rename("www"); // incus rename web www
} finally {
  await web.delete(); // incus delete --force www
  await host.networks.delete("incusbr1");
}
