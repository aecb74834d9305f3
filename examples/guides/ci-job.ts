import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";

const [source, artefacts, ...command] = process.argv.slice(2);
if (source === undefined || artefacts === undefined || command.length === 0)
  throw new Error("usage: ci-job.mts SOURCE-FOLDER ARTEFACT-FOLDER PROGRAM [ARGUMENT …]");

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
const { signal } = interrupted;

await using host = await openHost({ root: "/var/lib/pileus", drivers: [lxc()] });
const image = await host.images.import({ type: "debian", suite: "bookworm", packages: ["systemd-sysv"] }, { signal });
await using job = await host.ephemeral(
  { driver: "lxc", name: `job-${process.pid}`, image, labels: { for: "ci" }, limits: { memory: "2GiB", cpu: 2 } },
  { ready: true, expires: 60 * 60_000, signal },
);
await job.files.push(source, "/src", { signal });
await job.files.mkdir("/artefacts", { signal });

const { exitCode, durationMs, oom } = await job.run(command, {
  cwd: "/src",
  env: { CI: "true", ARTEFACTS: "/artefacts" },
  timeout: 30 * 60_000,
  onStdout: (line) => console.log(line),
  onStderr: (line) => console.error(line),
  signal,
});
await job.files.pull("/artefacts", artefacts, { signal });
console.log(`ended with ${exitCode} after ${(durationMs / 1000).toFixed(1)} s${oom ? ", out of memory" : ""}`);
process.exitCode = exitCode ?? 1;
