import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { openPipes } from "../../src/exec/streams.ts";

const limit = (count: string) => execFileSync("prlimit", [`--pid=${process.pid}`, `--nofile=${count}:`]);
const open = () => readdirSync("/proc/self/fd").length;

it(
  "opens all pipes or none where descriptors run out",
  requires(["root", "binary:prlimit"], async () => {
    openPipes().destroy();
    const before = /Max open files\s+(\d+)/.exec(
      execFileSync("cat", [`/proc/${process.pid}/limits`], { encoding: "utf8" }),
    )?.[1];
    const filled: number[] = [];
    try {
      // Room for a pipe and a half.
      const highest = Math.max(...readdirSync("/proc/self/fd").map(Number)) + 1;
      while ((filled.at(-1) ?? 0) < highest) filled.push(openSync("/dev/null", "r"));
      limit(String(highest + 4));
      const held = open();
      expect(() => openPipes()).toThrow(expect.objectContaining({ code: "EMFILE" }));
      expect(open()).toBe(held);
    } finally {
      for (const fd of filled) closeSync(fd);
      limit(before ?? "1024");
    }
  }),
);
