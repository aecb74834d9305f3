import { openHost } from "@pileus/core";
import { qemu } from "@pileus/qemu";

await using host = await openHost({ root: "/var/lib/pileus", drivers: [qemu()] });
const image = await host.images.import({ type: "debian", suite: "bookworm", packages: ["systemd-sysv"] });
await using machine = await host.ephemeral(
  { driver: "qemu", name: "first-machine", image, limits: { memory: "512MiB", cpu: 2 }, qemu: { rootSize: "8GiB" } },
  { ready: { timeout: 300_000 } }, // minutes, where the host has no KVM and QEMU emulates the processor
);

const { stdout } = await machine.run(["uname", "-r"], { check: true });
console.log(`its own kernel: ${stdout.trim()}`);
await machine.freeze();
console.log(await machine.state());
await machine.unfreeze();
await machine.stop({ mode: "ask-then-kill" }); // asks the guest to shut down, and ends QEMU after 30 s
