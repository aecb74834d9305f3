/**
 * An OCI image as a sandbox for untrusted programs: no program of the image runs, each exec has a time limit, and the
 * sandbox ends by itself after ten minutes, whatever happens to this process. First it deletes what an earlier run
 * left.
 *
 *     06-box-image.ts docker://127.0.0.1:5000/python:3 python3 -c "print(6 * 7)"
 */
import { openHost } from "@pileus/core";
import { oci } from "@pileus/oci";

const [reference, ...argv] = process.argv.slice(2);
if (reference === undefined || argv.length === 0)
  throw new Error("usage: 06-box-image.ts REFERENCE PROGRAM [ARGUMENT …]");

await using host = await openHost({ root: "/var/lib/pileus", drivers: [oci()] });
const labels = { example: "box" };
console.log("swept:", await host.sweep({ labels }));
const image = await host.images.import(reference);
const name = `box-${process.pid}`;
const config = { driver: "oci", name, image, labels, oci: { keepAlive: true } } as const;
await using box = await host.ephemeral(config, { ready: true, expires: 600_000 });
const { stdout, stderr, exitCode } = await box.run(argv, { timeout: 10_000, maxOutput: 2 ** 20 });
process.stdout.write(stdout);
process.stderr.write(stderr);
console.log("exit code:", exitCode);
