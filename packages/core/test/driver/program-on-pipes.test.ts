import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import type { BackendProcess } from "../../src/contract/backend-process.ts";
import { programOnPipes } from "../../src/driver/program-on-pipes.ts";
import { printedPid, shell, untilGone } from "./program.ts";

function pipes({ streams }: BackendProcess) {
  if (streams.kind !== "pipes") throw new TypeError("not on pipes");
  return streams;
}

it("carries the three streams, and reports the exit code", async () => {
  const program = programOnPipes(shell("cat; echo bad >&2; exit 7"));
  const { stdin, stdout, stderr } = pipes(program);
  stdin.end("good");
  expect(await Promise.all([text(stdout), text(stderr), program.exit])).toEqual([
    "good",
    "bad\n",
    { kind: "exited", code: 7 },
  ]);
});

it("keeps output that is read only after the end", async () => {
  const program = programOnPipes(shell("echo late"));
  await program.exit;
  expect(await text(pipes(program).stdout)).toBe("late\n");
});

it("reports the signal that ended the program, and signals what it left", async () => {
  const program = programOnPipes(shell("sleep 60 & echo $!; exec sleep 60"));
  const left = await printedPid(pipes(program).stdout);
  await program.kill("SIGTERM");
  expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
  await untilGone(left);
});

it("rejects its exit when the program could not be started, and a kill does nothing", async () => {
  const program = programOnPipes(spawn("/nonexistent/program", { detached: true }));
  await expect(program.exit).rejects.toMatchObject({ code: "ENOENT" });
  await program.kill("SIGKILL");
});

it("survives a write to a program that reads nothing", async () => {
  const program = programOnPipes(shell("exec <&-; echo closed; read never; exit 0"));
  const { stdin } = pipes(program);
  await program.exit;
  await new Promise((resolve) => stdin.write("lost", resolve));
});
