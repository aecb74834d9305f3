import { isInstanceError, openHost } from "@pileus/core";
import { oci } from "@pileus/oci";

const [reference = "docker://docker.io/library/debian:12"] = process.argv.slice(2);

await using host = await openHost({ root: "/var/lib/pileus", drivers: [oci()] });
await host.sweep({ labels: { for: "sandbox" } }); // what a process that died left behind
const image = await host.images.import(reference);
await using box = await host.ephemeral(
  {
    driver: "oci",
    name: `sandbox-${process.pid}`,
    image,
    labels: { for: "sandbox" },
    limits: { memory: { limit: "256m", swap: 0 }, cpu: 0.5, processes: 64 },
    oci: { keepAlive: true }, // runs an idle init in place of the image's program
  },
  { expires: 15 * 60_000 },
);

// Without a network device the code reaches no network. Data goes in and out through files and pipes.
await box.files.writeText("/tmp/job.sh", "echo working; sleep 60; echo never said");
try {
  await box.run(["sh", "/tmp/job.sh"], { user: "65534:65534", cwd: "/tmp", timeout: 2_000, maxOutput: 65_536 });
} catch (error) {
  if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
  console.log(`stopped after ${error.timeout} ms; until then it said: ${error.result?.stdout}`);
}
const greedy = await box.run(["sh", "-c", "yes | head -c 1000000"], { maxOutput: 1000 });
console.log(`kept ${greedy.stdout.length} bytes, truncated: ${greedy.truncated}`);
