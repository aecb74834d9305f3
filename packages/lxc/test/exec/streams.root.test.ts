import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { openPipes } from "../../src/exec/streams.ts";

/** Held while descriptors are short, so that closing them leaves enough to start the program that lifts the limit. */
const RESERVE = 32;

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
      const highest = Math.max(...readdirSync("/proc/self/fd").map(Number));
      while (filled.length < RESERVE || (filled.at(-1) ?? 0) < highest) filled.push(openSync("/dev/null", "r"));
      // Every descriptor below is taken: room for a pipe and a half.
      limit(String((filled.at(-1) ?? 0) + 4));
      const held = open();
      expect(() => openPipes()).toThrow(expect.objectContaining({ code: "EMFILE" }));
      expect(open()).toBe(held);
    } finally {
      for (const fd of filled) closeSync(fd);
      limit(before ?? "1024");
    }
  }),
);
