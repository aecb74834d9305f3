import { text } from "node:stream/consumers";
import type { ExitStatus } from "@pileus/core";
import type { ExecRequest } from "@pileus/core/driver";
import type { AgentClient } from "../../src/index.ts";
import { request } from "./agent-process.ts";

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: ExitStatus;
}

/** Runs a program to its end on pipes. */
export async function run(
  client: AgentClient,
  argv: readonly string[],
  more: Partial<ExecRequest> & { readonly stdin?: string | Buffer } = {},
): Promise<Ran> {
  const { stdin, ...rest } = more;
  const { streams, exit } = await client.exec(request(argv, rest));
  if (streams.kind !== "pipes") throw new Error("not on pipes");
  streams.stdin.end(stdin);
  const [stdout, stderr, status] = await Promise.all([text(streams.stdout), text(streams.stderr), exit]);
  return { stdout, stderr, exit: status };
}

/** Runs a program to its end on a terminal. */
export async function runOnTerminal(
  client: AgentClient,
  argv: readonly string[],
  more: Partial<ExecRequest> = {},
): Promise<{ readonly output: string; readonly exit: ExitStatus }> {
  const { streams, exit } = await client.exec(request(argv, { tty: { columns: 91, rows: 17 }, ...more }));
  if (streams.kind !== "tty") throw new Error("not on a terminal");
  const [output, status] = await Promise.all([text(streams.tty), exit]);
  return { output, exit: status };
}
