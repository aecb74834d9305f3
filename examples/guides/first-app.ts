import { openHost } from "@pileus/core";
import { oci } from "@pileus/oci";

const [reference = "docker://docker.io/library/redis:7"] = process.argv.slice(2);

await using host = await openHost({ root: "/var/lib/pileus", drivers: [oci()] });
const image = await host.images.import(reference);
await using redis = await host.ephemeral({ driver: "oci", name: "first-app", image, limits: { memory: "128m" } });

// The program runs, but only the service can tell whether it is ready. Until then redis-cli ends with 1.
const ask = "until redis-cli ping; do sleep 0.1; done";
await redis.run(["sh", "-c", ask], { timeout: 10_000, check: true });
await redis.run(["redis-cli", "set", "greeting", "hello"], { check: true });
console.log((await redis.run(["redis-cli", "get", "greeting"], { check: true })).stdout.trim());

await redis.stop({ timeout: 10_000 }); // the image's stop signal, and up to ten seconds to end in order
const { status } = await redis.wait();
console.log("ended:", status); // an exit code or a signal, never both
for await (const chunk of await redis.logs({ stream: "stdout" })) process.stdout.write(chunk);
