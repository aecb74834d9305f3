import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { within } from "../../core/src/testing/kit/expect.ts";
import { type AgentClient, connectAgent } from "../src/index.ts";
import { encodeFrame, FRAME } from "../src/protocol/frame.ts";
import { encodeRecord, MARKER } from "../src/protocol/record.ts";
import { AgentProcess, DEADLINE, request } from "./support/agent-process.ts";
import { Port } from "./support/port.ts";
import { seeded } from "./support/random.ts";
import { run } from "./support/run.ts";

let agent: AgentProcess;
let ports = 0;

beforeAll(async () => {
  agent = await AgentProcess.start();
}, 60_000);

afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
});

async function openPort() {
  ports += 1;
  const path = join(agent.folder, `port-${ports}.sock`);
  const port = await Port.open(agent.connect(), path);
  const client = () => connectAgent({ connect: () => connect(path), timeout: DEADLINE });
  return { port, client };
}

/** A program that lives until it is killed. */
async function sleeper(client: AgentClient) {
  const process = await client.exec(request(["sh", "-c", "echo $$; exec sleep 1000"]));
  if (process.streams.kind !== "pipes") throw new Error("not on pipes");
  return { process, pid: Number((await once(process.streams.stdout, "data"))[0]) };
}

/** Resolves when the process has ended, as seen by a shell in the guest. */
async function ended(client: AgentClient, pid: number): Promise<void> {
  const script = `while kill -0 ${pid} 2>/dev/null && ! grep -q ') Z' /proc/${pid}/stat; do :; done`;
  expect((await run(client, ["sh", "-c", script])).exit).toEqual({ kind: "exited", code: 0 });
}

describe("sessions on a stream without boundaries", () => {
  it("follow one another, and end what ran for them", async () => {
    const { port, client } = await openPort();
    await using _ = port;
    const first = await client();
    const { pid, process } = await sleeper(first);
    first.close();
    expect(await first.closed).toBeUndefined();
    await expect(process.exit).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    await port.cut();
    const second = await client();
    await ended(second, pid);
    expect((await run(second, ["cat"], { stdin: "hello" })).stdout).toBe("hello");
  });

  it("pass no byte of a host that died in the middle of a frame into the next session", async () => {
    const { port, client } = await openPort();
    await using _ = port;
    const first = await client();
    const { pid, process } = await sleeper(first);
    const flood = await first.exec(request(["yes"]));
    flood.exit.catch(() => undefined);
    if (flood.streams.kind !== "pipes") throw new Error("not on pipes");
    await once(flood.streams.stdout, "data");
    // Later output of the program stays in the port, and our own last frame is cut off.
    port.hold();
    flood.streams.stdout.resume();
    await port.cut();
    port.write(encodeFrame(FRAME.data, 1, 0, Buffer.alloc(5000)).subarray(0, 3000));
    expect(await first.closed).toMatchObject({ code: "ERR_CONNECTION" });
    await expect(process.exit).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    const second = await client();
    await ended(second, pid);
    expect((await run(second, ["cat"], { stdin: "hello" })).stdout).toBe("hello");
  });

  it("begin whatever bytes are in the pipe (seed 11)", async () => {
    const random = seeded(11);
    for (let round = 0; round < 25; round += 1) {
      const { port, client } = await openPort();
      await using _ = port;
      const noise = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 3000) }, () => Math.floor(random() * 256)),
      );
      const pieces = [
        noise,
        MARKER.subarray(0, Math.floor(random() * 17)),
        encodeRecord("hello", { token: "x", protocols: [1] }),
        encodeFrame(FRAME.call, 1, 0, Buffer.from('{"method":"ping"}')),
        encodeFrame(FRAME.call, 2, 0, Buffer.from("no JSON")),
        encodeFrame(FRAME.data, 7, 0, noise),
        encodeRecord("bye"),
      ];
      const stale = Array.from({ length: 6 }, () => pieces[Math.floor(random() * pieces.length)] as Buffer);
      port.write(Buffer.concat(stale));
      const session = await client();
      await within(10_000, `an answer in round ${round}`, session.ping());
      session.close();
    }
  }, 60_000);

  it("continue after an unreadable message of a host: the agent ends only that session", async () => {
    const { port, client } = await openPort();
    await using _ = port;
    const session = await client();
    port.write(Buffer.from("this is no frame"));
    expect(await session.closed).toMatchObject({ code: "ERR_CONNECTION" });
    await port.cut();
    await (await client()).ping();
  });

  it("are refused to a second host while another has the agent", async () => {
    await using first = await agent.client();
    await expect(agent.client()).rejects.toMatchObject({ code: "ERR_AGENT", reason: "EBUSY" });
    await first.ping();
  });

  it("reject with the signal's reason when opening is aborted", async () => {
    const reason = new Error("changed my mind");
    const abort = new AbortController();
    const { port } = await openPort();
    await using _ = port;
    // This socket has no agent that would answer.
    const opening = connectAgent({ connect: () => connect(join(agent.folder, "none.sock")), signal: abort.signal });
    abort.abort(reason);
    await expect(opening).rejects.toBe(reason);
  });

  it("reject with ConnectionError if nothing listens", async () => {
    const connecting = connectAgent({ connect: () => connect(join(agent.folder, "none.sock")) });
    await expect(connecting).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  });
});
