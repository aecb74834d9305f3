import { openHost } from "@pileus/core";
import { oci } from "@pileus/oci";

const [reference = "docker://docker.io/library/debian:12"] = process.argv.slice(2);

await using host = await openHost({ root: "/var/lib/pileus", drivers: [oci()] });
const image = await host.images.import(reference); // docker.pull() and followProgress()
await using container = await host.create({
  driver: "oci",
  name: "moved-from-dockerode",
  image,
  env: { GREETING: "hello" }, // Env: ["GREETING=hello"]
  labels: { app: "demo" }, // Labels
  limits: { memory: "256m", cpu: 0.5 }, // HostConfig.Memory and NanoCpus
  oci: { entrypoint: ["sh", "-c"], cmd: ['echo "$GREETING"; exit 3'], workdir: "/" }, // Entrypoint, Cmd, WorkingDir
});
await container.start();
const { status } = await container.wait(); // StatusCode
for await (const chunk of await container.logs({ stream: "stdout" })) process.stdout.write(chunk); // two streams, never multiplexed
console.log(status);
await container.delete(); // remove({ force: true })
