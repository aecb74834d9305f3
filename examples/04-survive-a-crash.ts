/**
 * Instances outlive the process. Run it twice: the first run leaves a container behind, as a crash would; the second
 * finds it, uses it, and deletes it.
 */
import { isInstanceError, openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";

await using host = await openHost({ root: "/var/lib/pileus", drivers: [lxc()] });
try {
  const found = await host.get("survivor", { driver: "lxc" });
  console.log("found:", (await found.inspect()).state, (await found.run(["cat", "/root/note"])).stdout);
  await found.delete();
} catch (error) {
  if (!isInstanceError(error, "ERR_INSTANCE_NOT_FOUND")) throw error;
  const image = await host.images.import({ type: "debian", suite: "bookworm", packages: ["systemd-sysv"] });
  const survivor = await host.create({ driver: "lxc", name: "survivor", image });
  await survivor.start();
  await survivor.ready();
  await survivor.files.write("/root/note", "written before the crash");
  console.log("left behind:", (await survivor.inspect()).pid);
  process.kill(process.pid, "SIGKILL");
}
