import { openHost } from "@pileus/core";
import { oci } from "@pileus/oci";

const [reference = "docker://docker.io/library/redis:7"] = process.argv.slice(2);

await using host = await openHost({ root: "/var/lib/pileus", drivers: [oci()] });
await host.sweep({ labels: { suite: "demo" } }); // Ryuk's work
await using container = await host.ephemeral(
  {
    driver: "oci",
    name: "moved-from-testcontainers",
    image: await host.images.import(reference), // new GenericContainer("redis:7")
    labels: { suite: "demo" }, // withLabels()
    env: { LANG: "C.UTF-8" }, // withEnvironment()
  },
  { expires: 10 * 60_000 },
);
// withWaitStrategy(Wait.forSuccessfulCommand(…))
await container.run(["sh", "-c", "until redis-cli ping; do sleep 0.1; done"], { timeout: 10_000, check: true });
const { exitCode, stdout } = await container.run(["redis-cli", "info", "server"]); // container.exec()
console.log(exitCode, stdout.includes("redis_version"));
await container.files.writeText("/tmp/seed.txt", "set greeting hello\n"); // copyContentToContainer()
console.log((await container.run(["sh", "-c", "redis-cli </tmp/seed.txt"], { check: true })).stdout.trim());
