import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";
import { compare, type Row } from "./measure.ts";

const ROUNDS = 100;

/** From an event of this process to the loop of another one that watches, beside a line through a pipe. */
export async function benchJournal(folder: string): Promise<Row[]> {
  await mkdir(folder, { recursive: true });
  const root = join(folder, "root");
  await using host = await openHost({ root, drivers: [fake()] });
  const image = await importFakeImage(host);
  const program = fileURLToPath(new URL("journal-watcher.ts", import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, program, root], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    /** The nanoseconds at which the other process got what is named so. */
    const arrival = async (what: string): Promise<bigint> => {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error("the other process ended");
        const [name, at = "0"] = value.split(" ");
        if (name === what) return BigInt(at);
      }
    };
    const ms = (from: bigint, to: bigint) => Number(to - from) / 1e6;
    const own = host.watch()[Symbol.asyncIterator]();
    await arrival("ready");
    return await compare(
      "event in another process",
      [
        {
          name: "pileus",
          once: async () => {
            const creating = host.create({ driver: "fake", name: "a", image });
            const { value } = await own.next();
            const told = process.hrtime.bigint();
            const heard = await arrival(value?.cursor ?? "");
            await (await creating).delete();
            await own.next();
            return ms(told, heard);
          },
        },
        {
          name: "a pipe",
          once: async () => {
            const written = process.hrtime.bigint();
            child.stdin.write("pipe\n");
            return ms(written, await arrival("pipe"));
          },
        },
      ],
      ROUNDS,
    );
  } finally {
    child.kill("SIGKILL");
  }
}
