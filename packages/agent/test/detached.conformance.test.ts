import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentClient } from "../src/index.ts";
import { AgentProcess, DEADLINE, request } from "./support/agent-process.ts";

let agent: AgentProcess;
let client: AgentClient;
let count = 0;

beforeAll(async () => {
  agent = await AgentProcess.start();
  client = await agent.client();
}, 60_000);
afterAll(async () => {
  client.close();
  await agent[Symbol.asyncDispose]();
});

/** Ends the session, and begins another when the agent has noticed. */
const reconnect = async () => {
  client.close();
  client = await vi.waitFor(() => agent.client(), { timeout: DEADLINE });
};
const programs = () => {
  if (client.programs === undefined) throw new Error("the agent has no detached programs");
  return client.programs;
};
const start = async (script: string, more: Parameters<typeof request>[1] = {}) => {
  count += 1;
  const id = count.toString(16).padStart(16, "0");
  return programs().start({ ...request(["sh", "-c", script], more), id }, {});
};
const read = async (
  id: string,
  { offset = 0, follow = true, signal }: { offset?: number; follow?: boolean; signal?: AbortSignal } = {},
) => {
  const chunks = [];
  for await (const chunk of await programs().attach(id, { offset, follow }, { signal })) chunks.push(chunk);
  return chunks;
};
const textOf = (chunks: Awaited<ReturnType<typeof read>>) => Buffer.concat(chunks.map(({ data }) => data)).toString();

describe("a detached program of the agent", () => {
  it("tells its output from any byte on, and its end, as often as it is asked", async () => {
    const { id } = await start("echo one; echo two >&2; printf three; exit 3");
    expect(await programs().wait(id, {})).toEqual({ kind: "exited", code: 3 });
    expect(await programs().wait(id, {})).toEqual({ kind: "exited", code: 3 });
    const chunks = await read(id);
    expect(textOf(chunks)).toHaveLength("one\ntwo\nthree".length);
    expect(textOf(chunks.filter(({ stream }) => stream === "stderr"))).toBe("two\n");
    for (const offset of [1, 5, 13, 20]) {
      const rest = await read(id, { offset });
      expect(textOf(rest)).toBe(textOf(chunks).slice(offset));
      expect(rest[0]?.offset ?? offset).toBe(offset);
    }
  });

  it("goes on when its session ends, for the next session", async () => {
    const before = await start("echo here; exec sleep 1000");
    await reconnect();
    const found = (await programs().list({})).find(({ id }) => id === before.id);
    expect(found).toEqual(before);
    const chunks = [];
    for await (const chunk of await programs().attach(before.id, { offset: 0, follow: true }, {})) {
      chunks.push(chunk);
      break;
    }
    expect(textOf(chunks)).toBe("here\n");
    await programs().signal(before.id, "SIGTERM", {});
    expect(await programs().wait(before.id, {})).toEqual({ kind: "signaled", signal: "SIGTERM" });
    expect((await programs().list({})).find(({ id }) => id === before.id)).toMatchObject({ state: "ended" });
  });

  it("is killed, and on no list, when its start is aborted or nobody hears of it", async () => {
    const known = (await programs().list({})).length;
    const reason = new Error("enough");
    await expect(
      programs().start(
        { ...request(["sleep", "1000"]), id: "ffffffffffffffff" },
        { signal: AbortSignal.abort(reason) },
      ),
    ).rejects.toBe(reason);
    const controller = new AbortController();
    const starting = programs().start({ ...request(["sleep", "987654"]), id: "fffffffffffffffe" }, controller);
    controller.abort(reason);
    await expect(starting).rejects.toBe(reason);
    expect(await programs().list({})).toHaveLength(known);
    // A session that ends before its host has heard of the start.
    const dying = programs().start({ ...request(["sleep", "987655"]), id: "fffffffffffffffd" }, {});
    const lost = expect(dying).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    await reconnect();
    await lost;
    // A process that was killed may still show its arguments for a moment.
    await vi.waitFor(async () => {
      const { exit } = await client.exec(request(["pgrep", "-f", "^sleep 98765[45]$"]));
      expect(await exit).toEqual({ kind: "exited", code: 1 });
    }, DEADLINE);
  });

  it("is killed when its start is given up after the agent was told to keep it", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const id = "fffffffffffffffc";
    const starting = programs().start({ ...request(["sleep", "987656"]), id }, controller);
    // The agent closes the call when it is told to go on: then this is too late, and nothing is lost.
    await vi.waitFor(async () => expect((await programs().list({})).map((one) => one.id)).toContain(id), DEADLINE);
    controller.abort(reason);
    const outcome = await starting.catch((error: unknown) => error);
    if (outcome !== reason) await programs().signal(id, "SIGKILL", {});
    expect(await programs().wait(id, {})).toEqual({ kind: "signaled", signal: "SIGKILL" });
  });

  it("may have a reason of any length for not starting", async () => {
    count += 1;
    const id = count.toString(16).padStart(16, "0");
    await programs().start({ ...request(["x".repeat(100_000)]), id }, {});
    expect(await programs().wait(id, {})).toMatchObject({ kind: "exited" });
    expect(textOf(await read(id)).length).toBeGreaterThan(100_000);
    await client.ping();
  });

  it(
    "counts among 100 while it starts, and takes no more room in the list than one call",
    async () => {
      const given = (argument: string) => {
        count += 1;
        return programs().start({ ...request(["true", argument]), id: count.toString(16).padStart(16, "0") }, {});
      };
      for (let n = 0; n < 4; n += 1) await given("\n".repeat(1_000_000));
      expect((await programs().list({})).length).toBeGreaterThan(0);
      const starts = await Promise.allSettled(Array.from({ length: 150 }, () => start("exec sleep 1000")));
      const started = starts.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      expect(started.length).toBe(100);
      expect(await programs().list({})).toHaveLength(100);
      for (const { id } of started) await programs().signal(id, "SIGKILL", {});
      for (const { id } of started) await programs().wait(id, {});
    },
    DEADLINE * 3,
  );

  it("is known by its id alone", async () => {
    const unknown = "00000000000000ff";
    await expect(read(unknown)).rejects.toMatchObject({ code: "ERR_PROCESS_NOT_FOUND" });
    await expect(programs().wait(unknown, {})).rejects.toMatchObject({ code: "ERR_PROCESS_NOT_FOUND" });
    await programs().signal(unknown, "SIGKILL", {});
  });

  it("ends with 127 or 126 and the reason if it cannot be started, and names an unknown user", async () => {
    count += 1;
    const id = count.toString(16).padStart(16, "0");
    await programs().start({ ...request(["no-such-program"]), id }, {});
    expect(await programs().wait(id, {})).toEqual({ kind: "exited", code: 127 });
    expect(textOf(await read(id))).toBe("exec: cannot run no-such-program: not found\n");
    await expect(start("true", { user: "nobody-here" })).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
  });

  it("keeps the last mebibyte of its output, and says what is missing", async () => {
    const { id } = await start("seq 1 400000");
    await programs().wait(id, {});
    const chunks = await read(id);
    const [first] = chunks;
    expect(first?.offset).toBeGreaterThan(1_000_000);
    let at = first?.offset ?? 0;
    for (const chunk of chunks) {
      expect(chunk.offset).toBe(at);
      at += chunk.data.length;
    }
    expect(at).toBe(Array.from({ length: 400_000 }, (_, index) => `${index + 1}\n`).join("").length);
    expect(textOf(chunks).endsWith("399999\n400000\n")).toBe(true);
    expect(textOf(chunks).length).toBeGreaterThan(512 * 1024);
  });

  it("gives up to now without follow, and lets a reader leave", async () => {
    const { id } = await start("echo begun; exec sleep 1000");
    for await (const _ of await programs().attach(id, { offset: 0, follow: true }, {})) break;
    expect(textOf(await read(id, { follow: false }))).toBe("begun\n");
    const controller = new AbortController();
    const output = await programs().attach(id, { offset: 6, follow: true }, controller);
    const reading = output.next();
    controller.abort();
    expect(await reading).toEqual({ done: true, value: undefined });
    const reason = new Error("enough");
    const waiting = programs().wait(id, { signal: AbortSignal.abort(reason) });
    await expect(waiting).rejects.toBe(reason);
    await programs().signal(id, "SIGKILL", {});
    expect(await programs().wait(id, {})).toEqual({ kind: "signaled", signal: "SIGKILL" });
    expect(client.busy).toBe(false);
  });

  it(
    "forgets the one that ended first for another, and refuses one more than 100 that run",
    async () => {
      const running = [];
      for (let n = 0; n < 98; n += 1) running.push(await start("exec sleep 1000"));
      const first = await start("exit 0");
      await programs().wait(first.id, {});
      const second = await start("exit 0");
      await programs().wait(second.id, {});
      running.push(await start("exec sleep 1000"));
      const known = (await programs().list({})).map((info) => info.id);
      expect([known.length, known.includes(first.id), known.includes(second.id)]).toEqual([100, false, true]);
      running.push(await start("exec sleep 1000"));
      await expect(start("true")).rejects.toMatchObject({ code: "ERR_HOST" });
      for (const one of running) await programs().signal(one.id, "SIGKILL", {});
      for (const one of running) await programs().wait(one.id, {});
    },
    DEADLINE * 3,
  );
});
