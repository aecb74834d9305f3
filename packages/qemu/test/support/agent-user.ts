import { createInterface } from "node:readline";
import { openHost } from "@pileus/core";
import { qemu } from "../../src/index.ts";
import { cache } from "./qemu-subject.ts";

/**
 * A process that uses the agent of one machine: `agent-user.ts ROOT NAME`. It does what each line of its standard input
 * asks for, and answers with a line of JSON.
 */
const [root = "", name = ""] = process.argv.slice(2);
const begun = performance.now();
await using host = await openHost({ root, drivers: [qemu({ cache })] });
const opened = performance.now();
const machine = await host.get(name, { driver: "qemu" });

/** Resolves when the first MiB has gone through; the rest follows in the background. */
function flow(stream: AsyncIterable<Uint8Array>): Promise<void> {
  return new Promise((resolve, reject) => {
    const read = async () => {
      let total = 0;
      for await (const chunk of stream) {
        total += chunk.length;
        if (total > 2 ** 20) resolve();
      }
    };
    read().catch(reject);
  });
}

async function* endless(started: () => void) {
  for (let sent = 0; ; sent++) {
    if (sent === 16) started();
    yield Buffer.alloc(2 ** 16);
  }
}

const DEEDS = {
  /** A first answer of the agent: milliseconds since the beginning, and since the host was open. */
  async contact() {
    await machine.files.stat("/");
    return { all: performance.now() - begun, agent: performance.now() - opened };
  },
  async use(word: string) {
    await machine.ready({ timeout: 60_000 });
    await machine.files.write(`/run/${word}`, word);
    const { stdout } = await machine.run(["cat", `/run/${word}`], { check: true });
    return [stdout, await machine.files.readText(`/run/${word}`), (await machine.metrics()).cpu.seconds > 0];
  },
  /** Begins a program that stays. */
  async hold() {
    const program = await machine.exec(["sh", "-c", "echo $$; exec sleep 1000"]);
    program.exit.catch(() => undefined);
    for await (const chunk of program.stdout) return Number(String(chunk));
    return undefined;
  },
  /** Begins to read a program that prints without end. */
  async flood() {
    const program = await machine.exec(["cat", "/dev/zero"]);
    program.exit.catch(() => undefined);
    await flow(program.stdout);
  },
  /** Begins a transfer without end. */
  push: () =>
    new Promise<void>((resolve, reject) => {
      machine.files.write("/run/endless", endless(resolve)).catch(reject);
    }),
  /** Its argument is the change as JSON. */
  update: async (change: string) => (await machine.update(JSON.parse(change))).changes,
  /** What the host says of its size, and what the guest has. */
  async size() {
    const { config, applied } = await machine.inspect();
    const { limitBytes } = (await machine.metrics()).memory;
    const inside = await machine.run([
      "grep",
      "-h",
      "-e",
      "^MemTotal",
      "-e",
      "^processor",
      "/proc/meminfo",
      "/proc/cpuinfo",
    ]);
    const cpus = inside.stdout.match(/^processor/gm)?.length;
    const total = Number(/MemTotal:\s+(\d+)/.exec(inside.stdout)?.[1]) * 1024;
    return { limits: config.limits, applied: applied?.limits, limitBytes, total, cpus };
  },
  async run(...argv: string[]) {
    return (await machine.run(argv)).stdout;
  },
};

for await (const line of createInterface(process.stdin)) {
  const [deed, ...rest] = JSON.parse(line) as [keyof typeof DEEDS, ...string[]];
  const answer = await (DEEDS[deed] as (...rest: string[]) => Promise<unknown>)(...rest).then(
    (value) => ({ value }),
    (error: unknown) => ({ failure: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
