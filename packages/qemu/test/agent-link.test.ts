import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentClient } from "@pileus/agent";
import { AgentError, ConnectionError, ProtocolError } from "@pileus/core";
import { acquireLock, isHeld } from "@pileus/core/driver";
import { expect, it, vi } from "vitest";
import { AgentLink } from "../src/agent-link.ts";
import { claimPath, PortClaims, removeClaims } from "../src/port-claims.ts";
import { UUID } from "./support/instance.ts";

/** A session that ends when told to, with calls that the test begins and ends. */
function makeSession() {
  let end: (reason?: Error) => void = () => undefined;
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  const state = { closed, close: () => end(), busy: false, onIdle: () => {} };
  return { client: state as unknown as AgentClient, state, end };
}

const never = () => new Promise<never>(() => undefined);

it("takes the agent when a caller wants it, and gives one session to all callers", async () => {
  const session = makeSession();
  const open = vi.fn(async () => session.client);
  const link = new AgentLink(open);
  expect(link.current).toBeUndefined();
  expect(open).not.toHaveBeenCalled();
  expect(await Promise.all([link.session(), link.session(), link.sessionIfFree()])).toEqual(
    Array(3).fill(session.client),
  );
  expect(link.current).toBe(session.client);
  expect(open).toHaveBeenCalledOnce();
  await link.close();
});

it("releases an agent without a call after a while, and takes it again for the next caller", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const [first, second] = [makeSession(), makeSession()];
    const sessions = [first, second];
    const link = new AgentLink(async () => (sessions.shift() as typeof first).client);
    await link.session();
    first.state.busy = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await link.session()).toBe(first.client);
    first.state.busy = false;
    first.state.onIdle();
    await vi.advanceTimersByTimeAsync(1900);
    expect(link.current).toBe(first.client);
    await vi.advanceTimersByTimeAsync(200);
    expect(link.current).toBeUndefined();
    expect(await first.state.closed).toBeUndefined();
    vi.useRealTimers();
    expect(await link.session()).toBe(second.client);
    await link.close();
  } finally {
    vi.useRealTimers();
  }
});

it("stops waiting for a booting guest when its last caller has given up", async () => {
  let stopped = () => {};
  const isStopped = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const link = new AgentLink(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => [stopped(), reject(signal.reason)], { once: true });
      }),
  );
  await expect(link.session({ timeout: 10 })).rejects.toThrow("is the guest still booting?");
  await isStopped;
  expect(link.failure).toBeUndefined();
  await link.close();
});

it("opens another session when one ends", async () => {
  const sessions = [makeSession(), makeSession()];
  let opened = 0;
  const link = new AgentLink(() => (opened < 2 ? Promise.resolve((sessions[opened++] as never)["client"]) : never()));
  await link.session();
  sessions[0]?.end(new ConnectionError("agent", "the guest rebooted"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(await link.session()).toBe(sessions[1]?.client);
  await link.close();
});

it("is not kept busy by a guest that ends each session at once", async () => {
  const opened: number[] = [];
  const link = new AgentLink(async () => {
    opened.push(performance.now());
    const { client, end } = makeSession();
    end(new ConnectionError("agent", "it restarted"));
    return client;
  });
  while (opened.length < 3) {
    await link.session();
    await new Promise(setImmediate);
  }
  await link.close();
  const [first = 0, , third = 0] = opened;
  // A timer counts from the beginning of the turn of the event loop in which it is set.
  expect(third - first).toBeGreaterThanOrEqual(2 * 75);
});

it("does not try again after an agent broke the protocol or refused the session", async () => {
  const session = makeSession();
  let opened = 0;
  const link = new AgentLink(async () => {
    opened++;
    return session.client;
  });
  await link.session();
  session.end(new ProtocolError("nonsense", ""));
  await new Promise((resolve) => setImmediate(resolve));
  await expect(link.session()).rejects.toThrow(ProtocolError);
  expect(opened).toBe(1);
  const refused = new AgentLink(() => Promise.reject(new AgentError("another host has it", "EBUSY")));
  await expect(refused.session()).rejects.toThrow(AgentError);
  expect(refused.failure).toBeInstanceOf(AgentError);
});

it("tries again after a temporary failure of this host, for present and for later callers", async () => {
  const full = () => Promise.reject(Object.assign(new Error("too many open files"), { code: "EMFILE" }));
  const first = makeSession();
  const attempts = [full, () => Promise.reject(new ConnectionError("agent", "reset")), async () => first.client, full];
  const second = makeSession();
  const link = new AgentLink(() => (attempts.shift() ?? (async () => second.client))());
  expect(await link.session()).toBe(first.client);
  first.end(new ConnectionError("agent", "the guest rebooted"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(await link.session()).toBe(second.client);
  expect(attempts).toEqual([]);
  await link.close();
});

it("tries again to wait for its turn, and stops when it is closed", async () => {
  const held = { number: 0, isWanted: () => false, release: async () => undefined };
  const take = vi.fn().mockRejectedValueOnce(new Error("no process to spare")).mockResolvedValue(held);
  const session = makeSession();
  const link = new AgentLink(async () => session.client, { take } as unknown as PortClaims);
  expect(await link.session()).toBe(session.client);
  expect(take).toHaveBeenCalledTimes(2);
  await link.close();
  const hopeless = new AgentLink(() => Promise.reject(new Error("no process to spare")));
  const waiting = hopeless.session();
  await hopeless.close();
  await expect(waiting).rejects.toThrow("detached");
});

/** Two links to one agent, as two processes have them. */
async function twoLinks(
  run: (parts: {
    readonly first: AgentLink;
    readonly second: AgentLink;
    readonly sessions: Session[];
    readonly folder: string;
  }) => Promise<void>,
) {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const path = join(folder, "agents", "one.lock");
  const sessions: Session[] = [];
  const open = async () => {
    const session = makeSession();
    sessions.push(session);
    return session.client;
  };
  const first = new AgentLink(open, new PortClaims(path, { all: 1 }));
  const second = new AgentLink(open, new PortClaims(path, { all: 1 }));
  try {
    await run({ first, second, sessions, folder });
  } finally {
    await Promise.all([first.close(), second.close()]);
    expect(await readdir(join(folder, "agents"))).toEqual([]);
    await rm(folder, { recursive: true });
  }
}
type Session = ReturnType<typeof makeSession>;

it("waits while another process uses the agent, and gets it when the last call of that has ended", () =>
  twoLinks(async ({ first, second, sessions, folder }) => {
    await first.session();
    const [{ state }] = sessions as [Session];
    state.busy = true;
    expect(await second.sessionIfFree()).toBeUndefined();
    const refused = second.session({ timeout: 50 });
    await expect(refused).rejects.toThrow("other processes have a port each");
    const waiting = second.session({ timeout: Number.POSITIVE_INFINITY });
    await vi.waitFor(() => expect(isHeld(join(folder, "agents/one.lock.next"))).toBe(true), 10_000);
    state.busy = false;
    state.onIdle();
    // Not after the time for which it would keep an agent that nobody else wants.
    expect(first.current).toBeUndefined();
    await waiting;
    expect(sessions).toHaveLength(2);
  }));

it("gets the agent of a process that holds it without a call", () =>
  twoLinks(async ({ first, second, sessions }) => {
    await first.session();
    await second.session();
    expect(sessions).toHaveLength(2);
    await expect(sessions[0]?.state.closed).resolves.toBeUndefined();
  }));

it("does not overtake a process that waits for its turn", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const path = join(folder, "one.lock");
  try {
    const turn = await acquireLock(`${path}.next`);
    expect(await new PortClaims(path, { all: 1 }).tryTake()).toBeUndefined();
    await turn.retire();
    const held = await new PortClaims(path, { all: 1 }).tryTake();
    expect(held?.isWanted()).toBe(false);
    await held?.release();
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("connects when the process that used the agent is done", () =>
  twoLinks(async ({ first, second, sessions }) => {
    await first.session();
    Object.assign(sessions[0]?.state ?? {}, { busy: true });
    const waiting = second.session();
    await first.close();
    await waiting;
    expect(second.failure).toBeUndefined();
  }));

it.each([
  ["a port", {}],
  ["a port, plugged if needed,", { first: 1, plug: async () => true }],
])(
  "gives each process %s of its own, in order, and the first in the queue the one that becomes free first",
  async (_, supply) => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
    const path = join(folder, "one.lock");
    try {
      const process = () => new PortClaims(path, { all: 3, ...supply });
      const [first, second, third] = [await process().take({}), await process().take({}), await process().take({})];
      expect([first, second, third].map(({ number }) => number)).toEqual([0, 1, 2]);
      expect(await process().tryTake()).toBeUndefined();
      expect(first.isWanted()).toBe(false);
      const reason = new Error("enough");
      await expect(process().take({ signal: AbortSignal.timeout(20) })).rejects.toThrow("timeout");
      await expect(process().take({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const next = process().take({});
      await vi.waitFor(() => expect(first.isWanted() && third.isWanted()).toBe(true), 10_000);
      await second.release();
      expect((await next).number).toBe(1);
      expect(first.isWanted()).toBe(false);
      for (const held of [first, third, await next]) await held.release();
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

it("ends a session when the guest has closed its port, and not when it has closed another", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const other = await new PortClaims(join(folder, "one.lock"), { all: 2 }).take({});
  const asked: number[] = [];
  const session = makeSession();
  const open = async ({ port }: { readonly port: number }) => {
    asked.push(port);
    return session.client;
  };
  const link = new AgentLink(open, new PortClaims(join(folder, "one.lock"), { all: 2 }));
  try {
    await link.session();
    link.endSession(0);
    expect(link.current).toBe(session.client);
    link.endSession(1);
    await session.state.closed;
    expect(asked).toEqual([1]);
  } finally {
    await Promise.all([link.close(), other.release()]);
    await rm(folder, { recursive: true });
  }
});

it("leaves no claim behind when the instance is deleted while another process waits for it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const path = join(folder, `${UUID}-7-70.lock`);
  try {
    const first = await new PortClaims(path, { all: 1 }).take({});
    const turn = new PortClaims(path, { all: 1 }).take({});
    const neighbor = await new PortClaims(join(folder, "another-7-70.lock"), { all: 1 }).take({});
    await removeClaims(folder, UUID);
    await first.release();
    await (await turn).release();
    expect(await readdir(folder)).toEqual(["another-7-70.lock"]);
    await neighbor.release();
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("claims the agent of a run while another process still has the claim of the run before", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const claim = (pid: number, startTime: number) =>
    new PortClaims(claimPath(folder, UUID, { pid, startTime, boot: "boot" }), { all: 1 }).tryTake();
  try {
    const claims = await Promise.all([claim(7, 70), claim(8, 70), claim(7, 71)]);
    for (const held of claims) await held?.release();
    expect(claims).not.toContain(undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("rejects waiting callers when it is closed, and an aborted caller with the reason of the abort", async () => {
  const link = new AgentLink(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  );
  const reason = new Error("enough");
  await expect(link.session({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const waiting = link.session();
  await link.close();
  await link.close();
  await expect(waiting).rejects.toThrow(ConnectionError);
});

it("lets whoever gets a session make a call first, also when another process waits for the port", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-agent-link-"));
  const [session, other] = [makeSession(), makeSession()];
  const claims = () => new PortClaims(join(folder, "agents/one.lock"), { all: 1 });
  const link = new AgentLink(async () => session.client, claims());
  const rival = new AgentLink(async () => other.client, claims());
  let isOver = false;
  void session.state.closed.then(() => {
    isOver = true;
  });
  try {
    session.state.busy = true;
    await link.session();
    const waiting = rival.session();
    await vi.waitFor(() => expect(isHeld(join(folder, "agents/one.lock.next"))).toBe(true), 10_000);
    // The call of before ends, and the next begins as soon as its caller has the session.
    session.state.busy = false;
    const agent = await link.session();
    expect(agent).toBe(session.client);
    await Promise.resolve();
    expect(isOver).toBe(false);
    session.state.busy = true;
    await new Promise(setImmediate);
    expect(isOver).toBe(false);
    session.state.busy = false;
    session.state.onIdle();
    expect(await waiting).toBe(other.client);
    expect(isOver).toBe(true);
  } finally {
    await Promise.all([link.close(), rival.close()]);
    await rm(folder, { recursive: true });
  }
});
