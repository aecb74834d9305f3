/** Measures every hot path beside the raw tool, in one run. `pnpm bench`, or `pnpm bench lxc qemu` for some. */
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { arch, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Row, renderRows } from "./measure.ts";

/** Each gets a scratch folder and returns rows to print. */
const SUITES: Readonly<Record<string, () => Promise<(folder: string) => Promise<Row[]>>>> = {
  lxc: async () => (await import("./lxc.ts")).benchLxc,
  oci: async () => (await import("./oci.ts")).benchOci,
  files: async () => (await import("./files.ts")).benchFiles,
  qemu: async () => (await import("./qemu.ts")).benchQemu,
  journal: async () => (await import("./journal.ts")).benchJournal,
  images: async () => (await import("./images.ts")).benchImages,
  many: async () => (await import("./many.ts")).benchMany,
};

const chosen = process.argv.slice(2);
const wanted = (name: string): boolean => chosen.length === 0 || chosen.includes(name);
const folder = await mkdtemp(join(tmpdir(), "pileus-bench-"));
// The raw tools' unprivileged containers must be able to enter it.
await chmod(folder, 0o755);
try {
  const [cpu] = cpus();
  console.log(
    `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()} ${arch()}, Node ${process.version}\n`,
  );
  for (const [name, suite] of Object.entries(SUITES)) {
    if (wanted(name)) console.log(`${renderRows(await (await suite())(join(folder, name)))}\n`);
  }
  for (const name of ["heap", "memory"]) if (wanted(name)) inOwnProcess(`${name}.ts`, join(folder, name));
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** What a process holds decides the result. */
function inOwnProcess(name: string, folder: string): void {
  const program = fileURLToPath(new URL(name, import.meta.url));
  execFileSync(process.execPath, [...process.execArgv, "--expose-gc", program, folder], { stdio: "inherit" });
}
