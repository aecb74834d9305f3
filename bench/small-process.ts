/**
 * A small Node process that spawns tools for a large one, as an application without Pileus would: a fork takes as long
 * as its process is large. Reads a line `{ argv, env }` for each tool, and prints the milliseconds until its exit.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { argv, env } = JSON.parse(line) as { argv: [string, ...string[]]; env: Record<string, string> };
  const begin = performance.now();
  const child = spawn(argv[0], argv.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.resume();
  child.stderr.resume();
  await once(child, "close");
  console.log(performance.now() - begin);
}
