/**
 * An application container from a registry: run a program to its end, with its output and its exit code.
 *
 *     03-run-image.ts docker://127.0.0.1:5000/redis:7 redis-server --version
 */
import { openHost } from "@pileus/core";
import { oci } from "@pileus/oci";

const [reference, ...argv] = process.argv.slice(2);
if (reference === undefined) throw new Error("usage: 03-run-image.ts REFERENCE [PROGRAM [ARGUMENT …]]");

await using host = await openHost({ root: "/var/lib/pileus", drivers: [oci()] });
const image = await host.images.import(reference, {
  // Only for your own registry without TLS.
  registry: { tlsVerify: !reference.startsWith("docker://127.0.0.1:") },
  onProgress: ({ phase, done, total }) => process.stderr.write(`\r${phase} ${done}${total ? ` of ${total}` : ""} `),
});
await using app = await host.ephemeral({
  driver: "oci",
  name: "app",
  image,
  ...(argv.length > 0 ? { oci: { entrypoint: argv, cmd: [] } } : {}),
});
const { reason, status } = await app.wait();
for await (const chunk of await app.logs({ stream: "stdout" })) process.stdout.write(chunk);
for await (const chunk of await app.logs({ stream: "stderr" })) process.stderr.write(chunk);
console.log(reason, status);
