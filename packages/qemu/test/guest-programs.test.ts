import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentClient } from "@pileus/agent";
import { ConnectionError, type SignalName } from "@pileus/core";
import type { DetachedInfo, DetachedRequest } from "@pileus/core/driver";
import { afterEach, beforeEach, expect, it } from "vitest";
import { GuestPrograms } from "../src/guest-programs.ts";

let run: string;
let guest: Guest;

beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "pileus-qemu-detached-"));
  guest = new Guest();
});
afterEach(() => rm(run, { recursive: true }));

const hangs = () => new Promise<never>(() => undefined);
/** Rejects when the caller gives up. */
const givenUp = (signal: AbortSignal | undefined) =>
  new Promise<never>((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

/** A guest with an agent, which answers nothing while it is frozen. */
class Guest {
  readonly known: DetachedInfo[] = [];
  readonly signals: string[] = [];
  /** How many calls wait for the end of a program. */
  waited = 0;
  readonly #listeners = new Set<() => void>();
  #isFrozen = false;
  /** Called when the agent is asked. */
  asked: (what: "start" | "list" | "signal") => void = () => undefined;

  /** How one process reaches it. */
  process(): GuestPrograms {
    const isFrozen = async () => this.#isFrozen;
    return new GuestPrograms({
      name: "a",
      run,
      session: async () => this.agent(),
      isFrozen,
      onStop: this.#listeners,
    });
  }

  agent(): AgentClient {
    const answer = async <T>(what: "start" | "list" | "signal", signal: AbortSignal | undefined, act: () => T) => {
      this.asked(what);
      return this.#isFrozen ? givenUp(signal) : act();
    };
    const programs = {
      start: ({ id, argv }: DetachedRequest, { signal }: { signal?: AbortSignal }) =>
        answer("start", signal, () => {
          const info: DetachedInfo = { id, argv, startedAt: this.known.length, state: "running" };
          this.known.push(info);
          return info;
        }),
      list: ({ signal }: { signal?: AbortSignal }) => answer("list", signal, () => [...this.known]),
      signal: (id: string, name: SignalName, { signal }: { signal?: AbortSignal }) =>
        answer("signal", signal, () => void this.signals.push(`${id} ${name}`)),
      wait: () => {
        this.waited += 1;
        return hangs();
      },
      attach: hangs,
    };
    return { programs, closed: Promise.resolve() } as unknown as AgentClient;
  }

  stop(): void {
    this.#isFrozen = true;
    for (const listener of [...this.#listeners]) listener();
  }

  async freeze(by: GuestPrograms): Promise<void> {
    await by.beginList();
    await by.noteList(this.agent(), {});
    this.stop();
  }

  async thaw(by: GuestPrograms): Promise<void> {
    this.#isFrozen = false;
    await by.forgetList();
    by.deliverSignals();
  }
}

const request = (id: string) => ({ id, argv: [id], env: {}, cwd: undefined, user: undefined, tty: undefined });

it("is found and signalled in a frozen guest, also one that was started after the list before the freeze", async () => {
  const [freezer, other] = [guest.process(), guest.process()];
  await other.start(request("before"), {});
  await freezer.beginList();
  await other.start(request("meanwhile"), {});
  await freezer.noteList(guest.agent(), {});
  await other.start(request("after"), {});
  guest.stop();
  for (const one of [freezer, other, guest.process()]) {
    expect((await one.list({})).map(({ id }) => id)).toEqual(["before", "meanwhile", "after"]);
    expect((await one.open("after", {}))?.info).toEqual(guest.known[2]);
    expect(await one.open("unknown", {})).toBeUndefined();
  }
  const program = await guest.process().open("after", {});
  await program?.kill("SIGTERM");
  expect(guest.signals).toEqual([]);
  await guest.thaw(freezer);
  await expect.poll(() => guest.signals, { timeout: 10_000 }).toEqual(["after SIGTERM"]);
});

it("leaves no note of a start in a guest that is not frozen", async () => {
  const freezer = guest.process();
  await freezer.start(request("one"), {});
  expect(await readdir(run)).toEqual([]);
  await guest.freeze(freezer);
  await guest.thaw(freezer);
  await freezer.start(request("two"), {});
  expect(await readdir(run)).toEqual([]);
});

it("lists what was noted, and signals after the thaw, when a freeze cuts short what the agent was asked", async () => {
  const [freezer, other] = [guest.process(), guest.process()];
  await other.start(request("one"), {});
  const program = await other.open("one", {});
  for (const [what, call] of [
    ["list", () => other.list({})],
    ["signal", () => program?.kill("SIGUSR1")],
  ] as const) {
    await freezer.beginList();
    await freezer.noteList(guest.agent(), {});
    guest.asked = (asked) => asked === what && guest.stop();
    const answer = await call();
    guest.asked = () => undefined;
    if (what === "list") expect(answer).toEqual(guest.known);
    await guest.thaw(freezer);
  }
  await expect.poll(() => guest.signals, { timeout: 10_000 }).toEqual(["one SIGUSR1"]);
});

it("is killed after the thaw when its start was given up while the guest was frozen", async () => {
  const [freezer, other] = [guest.process(), guest.process()];
  await freezer.beginList();
  await freezer.noteList(guest.agent(), {});
  guest.asked = (what) => what === "start" && guest.stop();
  const controller = new AbortController();
  const starting = other.start(request("one"), controller);
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(starting).rejects.toBe(reason);
  await guest.thaw(freezer);
  await expect.poll(() => guest.signals, { timeout: 10_000 }).toEqual(["one SIGKILL"]);
});

it("is not asked in a frozen guest to take a signal that waits, also by a call that waits for its end", async () => {
  const [freezer, other] = [guest.process(), guest.process()];
  await freezer.start(request("one"), {});
  await guest.freeze(freezer);
  await (await other.open("one", {}))?.kill("SIGTERM");
  const asked: string[] = [];
  guest.asked = (what) => asked.push(what);
  const waiting = await other.open("one", {});
  await expect.poll(() => guest.waited, { timeout: 10_000 }).toBe(2);
  expect(asked).toEqual([]);
  await guest.thaw(freezer);
  await expect.poll(() => guest.signals, { timeout: 10_000 }).toEqual(["one SIGTERM"]);
  waiting?.release();
});

it("is killed when it started but nobody could be told of it", async () => {
  await writeFile(join(run, "programs"), "no folder");
  await expect(guest.process().start(request("one"), {})).rejects.toMatchObject({ code: "ENOTDIR" });
  expect(guest.signals).toEqual(["one SIGKILL"]);
});

it("cannot be told of a frozen guest whose agent was not asked before", async () => {
  const programs = guest.process();
  await programs.beginList();
  guest.stop();
  await expect(programs.list({})).rejects.toThrow(ConnectionError);
  await expect(programs.open("one", {})).rejects.toThrow("unfreeze() lets it answer");
});

it("is signalled after the thaw also when the session that delivers ends, and what comes after does not fail", async () => {
  const [freezer, other] = [guest.process(), guest.process()];
  await other.start(request("one"), {});
  await guest.freeze(freezer);
  await (await other.open("one", {}))?.kill("SIGTERM");
  let failures = 2;
  guest.asked = (what) => {
    if (what === "signal" && failures-- > 0) throw new ConnectionError("the guest agent", "the session is over");
  };
  await guest.thaw(freezer);
  expect(await guest.process().list({})).toEqual(guest.known);
  expect(guest.signals).toContain("one SIGTERM");
});
