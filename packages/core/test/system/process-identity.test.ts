import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import koffi from "koffi";
import { describe, expect, it } from "vitest";
import { TimeoutError } from "../../src/errors/all.ts";
import {
  identifyChild,
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  parseProcessStat,
  processArguments,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";

async function sleeper(): Promise<{ identity: ProcessIdentity; end: () => Promise<void> }> {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  await once(child, "spawn");
  const exit = once(child, "exit");
  const identity = await identifyProcess(child.pid as number);
  if (identity === undefined) throw new Error("sleep is not there");
  return {
    identity,
    end: async () => {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

describe("the identity of a process", () => {
  it("stays the same while it runs, and belongs to no process after its end", async () => {
    const { identity, end } = await sleeper();
    expect(await identifyProcess(identity.pid)).toEqual(identity);
    expect(await isAlive(identity)).toBe(true);
    await end();
    expect(await isAlive(identity)).toBe(false);
    expect(await identifyProcess(identity.pid)).toBeUndefined();
  });

  it("differs for a process with the same pid but another start or boot, which gets no signal", async () => {
    const { identity, end } = await sleeper();
    for (const other of [
      { ...identity, startTime: identity.startTime - 2 },
      { ...identity, startTime: identity.startTime + 2 },
      { ...identity, boot: "00000000-0000-0000-0000-000000000000" },
    ]) {
      expect(await isAlive(other)).toBe(false);
      expect(await signalProcess(other, "SIGKILL")).toBe(false);
      await waitForEnd(other);
    }
    expect(await isAlive(identity)).toBe(true);
    await end();
  });

  it("allows a check of the process right before it is signalled", async () => {
    const { identity, end } = await sleeper();
    const status = () => readFileSync(`/proc/${identity.pid}/status`, "latin1");
    const isPending = () => /^ShdPnd:.*[4-7c-f]...$/m.test(status());
    // A stopped process does not handle signals, so /proc shows when one was sent.
    process.kill(identity.pid, "SIGSTOP");
    while (!/^State:\tT/m.test(status()));
    const seen: boolean[] = [];
    const look = () => {
      seen.push(isPending());
      queueMicrotask(() => seen.push(isPending()));
    };
    expect(await signalProcess(identity, "SIGTERM", look)).toBe(true);
    expect(seen).toEqual([false, true]);
    await end();
    expect(await signalProcess(identity, "SIGTERM", () => seen.push(false))).toBe(false);
    expect(seen).toHaveLength(2);
  });

  it("waits for the end of a process, whether it is a child or not", async () => {
    const { identity, end } = await sleeper();
    const ended = waitForEnd(identity);
    expect(await signalProcess(identity, "SIGTERM")).toBe(true);
    await ended;
    await end();
    expect(await signalProcess(identity, "SIGTERM")).toBe(false);
  });

  it("stops waiting at the deadline with TimeoutError, and at an abort with its reason", async () => {
    const { identity, end } = await sleeper();
    await expect(waitForEnd(identity, { timeout: 20 })).rejects.toBeInstanceOf(TimeoutError);
    const reason = new Error("enough");
    const controller = new AbortController();
    const waiting = waitForEnd(identity, { signal: controller.signal, timeout: 200 });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await end();
  });

  it("keeps waiting when a signal of this process interrupts the waiting thread", async () => {
    const { identity, end } = await sleeper();
    const tgkill = koffi.load("libc.so.6").func("int tgkill(int, int, int)");
    const waiting = waitForEnd(identity);
    // proc_pid_syscall(5): the number, its arguments and two registers; the call of poll(2) that has one descriptor.
    const polls = (thread: string) =>
      /^(7|73) 0x\w+ 0x1 /.test(readFileSync(`/proc/self/task/${thread}/syscall`, "latin1"));
    const find = () => readdirSync("/proc/self/task").find(polls);
    await expect.poll(find, { timeout: 10_000, interval: 5 }).toBeDefined();
    expect(tgkill(process.pid, Number(find()), 17)).toBe(0);
    expect(await isAlive(identity)).toBe(true);
    await end();
    await waiting;
  });

  it("reads the fields after a command name with spaces and parentheses", () => {
    const rest = `S 1 ${"0 ".repeat(9)}30 12 ${"0 ".repeat(6)}4711 9 8`;
    const read = { state: "S", parent: 1, startTime: 4711, cpuTicks: 42, residentPages: 8 };
    expect(parseProcessStat(`42 (a) R 1 (b)) ${rest}`)).toEqual(read);
    expect(parseProcessStat("")).toBeUndefined();
  });

  it("is the same for processes whose time namespaces shift its start time by parts of a tick", async () => {
    const { identity, end } = await sleeper();
    for (const difference of [-1, 1])
      expect(await isAlive({ ...identity, startTime: identity.startTime + difference })).toBe(true);
    await end();
  });

  it.each([
    [0n, 0n],
    [86_400_000_000_000n, 0n],
    [-4_000_000_000_000n, 0n],
    [86_400_005_000_000n, 1n],
    [-86_399_999_999_999n, 1n],
    [1n, 1n],
  ])(
    "is read back from what a time namespace shows that is ahead by %d ns, %d ticks too late at most",
    (ahead, late) => {
      const rest = (startTime: bigint) => `1 (a) S 1 ${"0 ".repeat(17)}${startTime} 0 0`;
      for (const started of [0n, 1n, 9_999_999n, 10_000_000n, 4_711_234_567_890n, 86_400_000_000_000n]) {
        // What the kernel prints: nsec_to_clock_t(timens_add_boottime_ns(…)) of fs/proc/array.c, without signs.
        const shown = BigInt.asUintN(64, started + ahead) / 10_000_000n;
        const found = BigInt(parseProcessStat(rest(shown), ahead)?.startTime ?? -1) - started / 10_000_000n;
        // The shift wraps at 2 ** 64, which is no whole number of ticks.
        expect(found).toBeOneOf(late === 0n && started + ahead >= 0n ? [0n] : [0n, 1n]);
      }
    },
  );

  it("reads the arguments of a process one by one", async () => {
    const { identity, end } = await sleeper();
    expect(await processArguments(identity.pid)).toEqual(["sleep", "1000"]);
    await end();
    expect(await processArguments(4_194_305)).toBeUndefined();
  });
});

describe("identifyChild", () => {
  it("identifies a child that has already ended", async () => {
    const child = spawn("true");
    const ended = once(child, "exit");
    const pid = child.pid as number;
    // In this one turn of the event loop, which cannot reap it meanwhile.
    let state: string | undefined;
    do state = parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"))?.state;
    while (state !== "Z");
    expect(identifyChild(pid)).toMatchObject({ pid });
    await ended;
  });
});
