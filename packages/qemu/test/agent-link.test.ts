import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentClient } from "@pileus/agent";
import { AgentError, ConnectionError, ProtocolError } from "@pileus/core";
import { expect, it, vi } from "vitest";
import { AgentLink } from "../src/agent-link.ts";
import { claimPath, PortClaim, removeClaims } from "../src/port-claim.ts";
import { UUID } from "./support/instance.ts";

/** A session that ends when told to. */
function makeSession(): { readonly client: AgentClient; end(reason?: Error): void } {
  let end: (reason?: Error) => void = () => undefined;
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  const client = { closed, close: () => end() } as unknown as AgentClient;
  return { client, end };
}

const never = () => new Promise<never>(() => undefined);

it("gives one session to all waiting callers", async () => {
  const session = makeSession();
  const told: AgentClient[] = [];
  const link = new AgentLink(async () => session.client);
  link.onSession = (agent) => told.push(agent);
  expect(await link.session()).toBe(session.client);
  expect(link.current).toBe(session.client);
  expect(told).toEqual([session.client]);
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
  let thrice = () => {};
  const openedThrice = new Promise<void>((resolve) => {
    thrice = resolve;
  });
  const link = new AgentLink(async () => {
    if (opened.push(performance.now()) === 3) thrice();
    const { client, end } = makeSession();
    end(new ConnectionError("agent", "it restarted"));
    return client;
  });
  await openedThrice;
  await link.close();
  const [first = 0, , third = 0] = opened;
  // A timer may fire a millisecond early.
  expect(third - first).toBeGreaterThanOrEqual(2 * 99);
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
  const wait = vi.fn().mockRejectedValueOnce(new Error("no process to spare")).mockResolvedValue(undefined);
  const claim = { held: true, wait, [Symbol.asyncDispose]: async () => undefined } as unknown as PortClaim;
  const session = makeSession();
  const link = new AgentLink(async () => session.client, claim);
  expect(await link.session()).toBe(session.client);
  expect(wait).toHaveBeenCalledTimes(2);
  await link.close();
  const hopeless = new AgentLink(() => Promise.reject(new Error("no process to spare")));
  const waiting = hopeless.session();
  await hopeless.close();
  await expect(waiting).rejects.toThrow("detached");
});

it("rejects at once while another process has the agent, and connects when that process closes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const path = join(folder, "agents", "one.lock");
  try {
    const first = new AgentLink(async () => makeSession().client, await PortClaim.open(path));
    await first.session();
    const session = makeSession();
    const open = vi.fn(async () => session.client);
    const second = new AgentLink(open, await PortClaim.open(path));
    await expect(second.session()).rejects.toThrow("another process has it");
    expect(second.failure).toBeInstanceOf(ConnectionError);
    expect(open).not.toHaveBeenCalled();
    await first.close();
    await vi.waitFor(() => expect(second.failure).toBeUndefined(), { timeout: 10_000 });
    expect(await second.session()).toBe(session.client);
    const third = new AgentLink(open, await PortClaim.open(path));
    await third.close();
    await second.close();
    expect(await readdir(join(folder, "agents"))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("leaves no claim behind when the instance is deleted while another process waits for it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const path = join(folder, `${UUID}-7-70.lock`);
  try {
    const first = await PortClaim.open(path);
    const second = await PortClaim.open(path);
    const turn = second.wait({});
    await removeClaims(folder, UUID);
    await first[Symbol.asyncDispose]();
    await turn;
    await second[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("claims the agent of a run while another process still has the claim of the run before", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  const claim = (pid: number) => PortClaim.open(claimPath(folder, UUID, { pid, startTime: 70, boot: "boot" }));
  try {
    await using before = await claim(7);
    await using now = await claim(8);
    expect([before.held, now.held]).toEqual([true, true]);
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
