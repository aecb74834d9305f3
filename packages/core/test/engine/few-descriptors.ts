/** A host in a process with few free descriptors: prints what each verb did with them. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHost } from "../../src/host.ts";
import { fake } from "../../src/testing/index.ts";

const [folder = ""] = process.argv.slice(2);
const rootfs = join(folder, "rootfs");
mkdirSync(join(rootfs, "etc"), { recursive: true });
writeFileSync(join(rootfs, "etc", "os-release"), "ID=none\n");
let finish = () => {};
const finished = new Promise<void>((resolve) => {
  finish = resolve;
});
const programs = { last: () => finished.then(() => 3) };
await using host = await openHost({ root: join(folder, "root"), drivers: [fake({ programs })] });
const image = await host.images.import(rootfs);
const box = await host.create({ driver: "fake", name: "box", image });
await box.start();
await box.stop({ mode: "kill" });
const short = await host.create({ driver: "fake", name: "short", image, fake: { main: ["last"] } });
await short.start();

const verbs: Readonly<Record<string, () => Promise<unknown>>> = {
  start: () => box.start(),
  run: () => box.run(["true"]),
  write: () => box.files.write("/tmp/few", "few"),
  metrics: () => box.metrics(),
};
execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=64"]);
const open = () => readdirSync("/proc/self/fd").length - 1;
const before = open();
const told: unknown[] = [];
for (const free of [1, 0]) {
  for (const [verb, work] of Object.entries(verbs)) {
    const taken: number[] = [];
    try {
      for (;;) taken.push(openSync("/dev/null", "r"));
    } catch {}
    for (const descriptor of taken.splice(0, free)) closeSync(descriptor);
    const outcome = await work().then(
      () => "works",
      (error: NodeJS.ErrnoException) => error.code,
    );
    for (const descriptor of taken) closeSync(descriptor);
    told.push([verb, free, outcome]);
  }
}
const left = open() - before;
const taken: number[] = [];
try {
  for (;;) taken.push(openSync("/dev/null", "r"));
} catch {}
finish();
// It has ended, and been noticed, after some turns.
for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
for (const descriptor of taken) closeSync(descriptor);
const { reason } = await short.wait();
for (const instance of [box, short]) await instance.delete();
process.stdout.write(JSON.stringify({ told, left, reason }));
