/** Every hot path beside the raw tool, in one run. `pnpm bench`, or `pnpm bench lxc qemu` for some. */
import { mkdtemp, rm } from "node:fs/promises";
import { arch, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { benchLxc } from "./lxc.ts";
import { type Row, renderRows } from "./measure.ts";
import { benchMemory } from "./memory.ts";
import { benchOci } from "./oci.ts";
import { benchQemu } from "./qemu.ts";

/** Each gets a scratch folder and returns rows to print. */
const SUITES: Readonly<Record<string, (folder: string) => Promise<Row[]>>> = {
  lxc: benchLxc,
  oci: benchOci,
  qemu: benchQemu,
};

const chosen = process.argv.slice(2);
const wanted = (name: string): boolean => chosen.length === 0 || chosen.includes(name);
const folder = await mkdtemp(join(tmpdir(), "pileus-bench-"));
try {
  const [cpu] = cpus();
  console.log(
    `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()} ${arch()}, Node ${process.version}\n`,
  );
  for (const [name, suite] of Object.entries(SUITES)) {
    if (wanted(name)) console.log(`${renderRows(await suite(join(folder, name)))}\n`);
  }
  if (wanted("memory")) console.log(await benchMemory(join(folder, "memory")));
} finally {
  await rm(folder, { recursive: true, force: true });
}
