import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";

const workspace = new URL("../../scripts/setup/workspace.mjs", import.meta.url).href;

/** A set-up script, in a process group of its own, that runs a command which takes its time to clean up. */
function setUp() {
  const command = "trap 'sleep 0.2; echo cleaned; exit 0' INT TERM; echo ready; sleep 4 >/dev/null 2>&1 & wait $!";
  const script = `
    import { run } from ${JSON.stringify(workspace)};
    process.on("exit", () => console.log("restored"));
    await run(["sh", "-c", ${JSON.stringify(command)}]);
    console.log("went on");`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return child;
}

it.each([
  ["an interrupt of the terminal", "SIGINT", 130, (pid: number) => -pid],
  ["SIGTERM to itself alone", "SIGTERM", 143, (pid: number) => pid],
] as const)("%s: ends after the command has cleaned up, and does not continue", async (_, signal, code, target) => {
  const child = setUp();
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    if (`${chunk}`.includes("ready") && child.pid !== undefined) process.kill(target(child.pid), signal);
    output += chunk;
  });
  expect(await once(child, "close")).toEqual([code, null]);
  expect(output).toBe("ready\ncleaned\nrestored\n");
});
