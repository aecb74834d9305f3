import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findKeeper } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it, vi } from "vitest";
import { END, KILLED, keptFixture } from "../support/kept-fixture.ts";
import { KeptHere } from "../support/kept-here.ts";

const NEEDS = ["root"] as const;
const fixture = keptFixture();
const SEED = Number(process.env["PILEUS_SEED"] ?? Date.now() % 100_000);

/** The processes that have files of a folder open, once those that are ending have ended. */
async function runningIn(folder: string): Promise<readonly string[]> {
  const opened = () =>
    readdirSync("/proc").filter((pid) => {
      if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder));
      } catch {
        // It has ended.
        return false;
      }
    });
  await vi.waitFor(() => expect(opened()).toEqual([]), END);
  return opened();
}

/** A pseudo-random number below one: mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("detached programs", () => {
  it(
    "are fifty at once, each with its own output and end",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const numbers = Array.from({ length: 50 }, (_, number) => number);
      const started = await Promise.all(numbers.map((number) => kept.start(`echo ${number}; exit ${number}`)));
      for (const [number, { id }] of started.entries()) {
        expect(await kept.exitOf(id)).toEqual({ kind: "exited", code: number });
        expect((await kept.outputOf(id)).text).toBe(`${number}\n`);
      }
      expect(await kept.programs.list({})).toHaveLength(50);
    }),
  );
  it(
    "are all found, or do not run, whenever their starter is killed",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const script = fileURLToPath(new URL("../support/start-detached.ts", import.meta.url));
      const next = random(SEED);
      for (let round = 0; round < 4; round += 1) {
        const before = new Set(readdirSync(kept.run).includes("exec") ? readdirSync(join(kept.run, "exec")) : []);
        const flags = ["--import", "tsx", "--conditions=@pileus/source"];
        const child = spawn(process.execPath, [...flags, script, kept.run], { stdio: ["ignore", "pipe", "inherit"] });
        // It may have started them all and ended by then.
        const closed = once(child, "close");
        let said = "";
        child.stdout.on("data", (bytes) => {
          said += bytes;
        });
        await once(child.stdout, "data");
        await new Promise((resolve) => setTimeout(resolve, next() * 400));
        child.kill("SIGKILL");
        await closed;
        const told = said.split("\n").slice(1, -1);
        const listed = new Map((await kept.programs.list({})).map((info) => [info.id, info.state]));
        for (const id of told) expect(listed.get(id), `${id}, seed ${SEED}`).toBe("running");
        for (const id of readdirSync(join(kept.run, "exec"))) {
          if (before.has(id)) continue;
          if (listed.has(id)) {
            const program = await kept.open(id);
            await program.kill("SIGKILL");
            expect(await program.exit, `seed ${SEED}`).toEqual(KILLED);
          } else {
            // Its keeper ends without a program: nobody else knows of it.
            const running = await findKeeper(kept.folder(id)).catch(() => undefined);
            expect((await running?.exit)?.failed ?? true, `${id}, seed ${SEED}`).toBe(true);
          }
        }
      }
    }),
  );
  it(
    "go on when the process that started them lets the container go, and when what keeps the next ones is another",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const { id } = await kept.start("sleep 0.5; echo here");
      kept.helpers[Symbol.dispose]();
      using other = new KeptHere(kept.run);
      expect(await other.exitOf(id)).toEqual({ kind: "exited", code: 0 });
      expect((await other.outputOf(id)).text).toBe("here\n");
    }),
  );
  it(
    "keep the end of what they print, whatever it is, and tell where it begins",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const { id } = await kept.start(
        "head -c 8388608 /dev/zero | tr '\\0' x; echo; seq 1 1000; head -c 100000 /dev/urandom; echo end",
      );
      expect(await kept.exitOf(id)).toEqual({ kind: "exited", code: 0 });
      const { at, text: printed } = await kept.outputOf(id);
      const whole = 8388608 + 1 + 3893 + 100_000 + 4;
      expect(at + printed.length).toBe(whole);
      expect(printed.length).toBeGreaterThanOrEqual(2 ** 20 / 1.01);
      expect(printed.length).toBeLessThan(2 * 2 ** 20);
      expect(printed.slice(8388608 - at)).toMatch(/^\n1\n2\n3\n[\s\S]*\n1000\n[\s\S]*end\n$/);
      expect((await kept.outputOf(id, whole - 4)).text).toBe("end\n");
    }),
  );
  it(
    "are forgotten an hour after their end, and the first to end for one more than a hundred",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const ids: string[] = [];
      for (let number = 0; number < 100; number += 1) ids.push((await kept.start("exit 0")).id);
      for (const id of ids) await kept.exitOf(id);
      const [first = "", second = "", ...rest] = ids;
      const ends = new Map((await kept.programs.list({})).map(({ id, endedAt }) => [id, Number(endedAt)]));
      const { id } = await kept.start("exit 0");
      await kept.exitOf(id);
      const left = (await kept.programs.list({})).map((info) => info.id);
      expect(left).toHaveLength(100);
      expect(left).toContain(id);
      const gone = ids.filter((one) => !left.includes(one));
      expect(gone.map((one) => ends.get(one))).toEqual([Math.min(...ends.values())]);
      const past = [first, second, ...rest].find((one) => left.includes(one)) as string;
      const file = join(kept.folder(past), "exit");
      writeFileSync(
        file,
        readFileSync(file, "utf8").replace(/"endedAt":(\d+)/, (_, time) => `"endedAt":${Number(time) - 3_600_001}`),
      );
      expect(await kept.programs.open(past, {})).toBeUndefined();
      expect((await kept.programs.list({})).map((info) => info.id)).not.toContain(past);
      expect(readdirSync(join(kept.run, "exec"))).not.toContain(past);
    }),
  );
  it(
    "are no more than a hundred that run, and damaged records are no programs",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      await Promise.all(Array.from({ length: 100 }, () => kept.start("exec sleep 1000")));
      await expect(kept.start("true")).rejects.toMatchObject({
        code: "ERR_HOST",
        missing: [{ need: "detached programs" }],
      });
      const listed = await kept.programs.list({});
      expect(listed).toHaveLength(100);
      const [damaged] = listed;
      const file = join(kept.folder(damaged?.id ?? ""), "program.json");
      const good = readFileSync(file);
      for (const content of ["", "{", '{"argv":[],"startedAt":1}', '{"argv":["x"],"startedAt":"y"}']) {
        writeFileSync(file, content);
        expect(await kept.programs.list({})).toHaveLength(99);
        expect(await kept.programs.open(damaged?.id ?? "", {})).toBeUndefined();
      }
      writeFileSync(file, good);
      utimesSync(file, 0, 0);
      expect(await kept.programs.list({})).toHaveLength(100);
    }),
  );
  it(
    "leave nothing when their start is aborted, at whatever moment",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const next = random(SEED);
      await kept.start("true");
      for (let round = 0; round < 30; round += 1) {
        const controller = new AbortController();
        const reason = new Error("enough");
        const id = kept.id();
        const starting = kept.start("exec sleep 1000", id, { signal: controller.signal });
        setTimeout(() => controller.abort(reason), next() * 12);
        const outcome = await starting.then(
          () => "started",
          (error: unknown) => error,
        );
        if (outcome !== "started") expect(await runningIn(kept.folder(id))).toEqual([]);
        const known = (await kept.programs.list({})).find((info) => info.id === id);
        if (outcome === "started") expect(known?.state).toBe("running");
        else {
          expect(outcome, `seed ${SEED}`).toBe(reason);
          expect(known).toBeUndefined();
          expect(readdirSync(join(kept.run, "exec"))).not.toContain(id);
        }
      }
    }),
  );
});
