import { tmpdir } from "node:os";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { runExample } from "./support/run-example.ts";

it(
  "the guide reads a console, a log, and the events after a cursor",
  requires(["root"], async () => {
    const output = await runExample("guides/watching.ts", { cwd: tmpdir() });
    expect(output).toMatch(/^console: system: up\nconsole: hello\nlog: hello\nlog: \S+Z system: up\nlog: \S+Z hello\n/);
    const words = output.split("\n").filter((line) => /^(event|later)/.test(line));
    expect(words.map((line) => line.trim())).toEqual([
      ...["event: created", "event: state starting", "event: state running"],
      ...["later: state stopping", "later: state stopped", "later: exit", "later: deleted"],
    ]);
  }),
);
