import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { exemptFromOomKiller, withDefaultOomScore } from "../../src/guest/oom-score.ts";

let proc: string;

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), "pileus-proc-"));
  mkdirSync(join(proc, "self"));
});

afterEach(() => rmSync(proc, { recursive: true }));

const score = () => readFileSync(join(proc, "self/oom_score_adj"), "latin1");
const set = (text: string) => writeFileSync(join(proc, "self/oom_score_adj"), text);

it("is spared by the kernel's OOM killer, and the programs that it starts are not", () => {
  set("0\n");
  exemptFromOomKiller(proc);
  expect(score()).toBe("-1000");
  expect(withDefaultOomScore(score, proc)).toBe("0");
  expect(score()).toBe("-1000");
  const fault = new Error("no such program");
  const start = () => {
    throw fault;
  };
  expect(() => withDefaultOomScore(start, proc)).toThrow(fault);
  expect(score()).toBe("-1000");
});

it("gives programs its own score if it may not set another", () => {
  set("300\n");
  expect(withDefaultOomScore(score, proc)).toBe("300\n");
  expect(score()).toBe("300\n");
});

it("starts programs even without /proc", () => {
  rmSync(join(proc, "self"), { recursive: true });
  exemptFromOomKiller(proc);
  expect(withDefaultOomScore(() => "started", proc)).toBe("started");
});
