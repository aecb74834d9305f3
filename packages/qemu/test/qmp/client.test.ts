import { Duplex } from "node:stream";
import { ConnectionError, ProtocolError, TimeoutError } from "@pileus/core";
import { expect, it } from "vitest";
import { QmpBusyError, QmpClient, QmpCommandError } from "../../src/qmp/index.ts";
import { MAX_BACKLOG } from "../../src/qmp/transport.ts";
import { FakeFailure, FakeMonitor, GREETING, SILENCE } from "../support/fake-monitor.ts";

const status = { status: "running", running: true, singlestep: false };

it("greets, negotiates and answers a command with its checked result", async () => {
  await using monitor = await FakeMonitor.start(() => status);
  await using client = await QmpClient.connect(monitor.path);
  expect(client.greeting).toEqual(GREETING);
  expect(await client.execute("query-status")).toEqual({ status: "running", running: true });
  expect(monitor.received.map((c) => c.execute)).toEqual(["qmp_capabilities", "query-status"]);
});

it("rejects with QmpBusyError when another client holds the monitor", async () => {
  await using monitor = await FakeMonitor.start(() => ({}));
  await using first = await QmpClient.connect(monitor.path);
  await expect(QmpClient.connect(monitor.path, { greetingTimeout: 30 })).rejects.toThrow(QmpBusyError);
  expect(first.greeting).toEqual(GREETING);
});

it.each([
  ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["an incomplete line", "SSH-2.0"],
  ["JSON that is not a message", '{"hello": 1}\n'],
  ["an answer", '{"return": {}}\n'],
  ["a line longer than the limit", "x".repeat(2000)],
  ["30,000 nested arrays", `${"[".repeat(30_000)}\n`],
])("rejects with ProtocolError, not with QmpBusyError, a peer that greets with %s", async (_, said) => {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  stream.push(said);
  await expect(QmpClient.open(stream, "x", { greetingTimeout: 50, maxLine: 1000 })).rejects.toThrow(ProtocolError);
  expect(stream.destroyed).toBe(true);
});

it("rejects with TimeoutError a monitor that greets and then says nothing", async () => {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  stream.push(`${JSON.stringify(GREETING)}\n`);
  await expect(QmpClient.open(stream, "x", { greetingTimeout: 50 })).rejects.toThrow(TimeoutError);
  expect(stream.destroyed).toBe(true);
});

it("rejects a command with ConnectionError when the monitor no longer reads, and keeps no more than 1 MiB", async () => {
  const stream = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      if (!chunk.includes("qmp_capabilities")) return;
      this.push('{"return": {}, "id": 1}\n');
      done();
    },
  });
  stream.push(`${JSON.stringify(GREETING)}\n`);
  await using client = await QmpClient.open(stream, "deaf");
  const text = "x".repeat(100_000);
  const outcomes = Array.from({ length: 30 }, () => client.call("x", { text }).catch((error: unknown) => error));
  expect(stream.writableLength).toBeLessThanOrEqual(MAX_BACKLOG);
  expect(await outcomes.at(-1)).toBeInstanceOf(ConnectionError);
  await client.close();
  await Promise.all(outcomes);
});

it("shows QEMU's message of a failure in one printable line of at most 1 KiB", async () => {
  await using monitor = await FakeMonitor.start(() => {
    throw new FakeFailure("Generic\u202eError", `\u001b[2J\n${"x".repeat(100_000)}`);
  });
  await using client = await QmpClient.connect(monitor.path);
  const error = (await client.execute("cont").catch((e: unknown) => e)) as QmpCommandError;
  expect(error).toMatchObject({
    errorClass: "Generic\ufffdError",
    description: expect.stringMatching(/^\ufffd\[2J\ufffdx+…$/),
  });
  expect(error.description).toHaveLength(1024);
  expect(`${error.message}${error.received}`).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

it("rejects with ConnectionError when nothing listens", async () => {
  await expect(QmpClient.connect("/nonexistent/qmp.sock")).rejects.toThrow(ConnectionError);
});

it("rejects with QmpCommandError that carries command and class", async () => {
  await using monitor = await FakeMonitor.start(() => {
    throw new FakeFailure("GenericError", "no such thing");
  });
  await using client = await QmpClient.connect(monitor.path);
  const error = await client.execute("cont").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(QmpCommandError);
  expect(error).toMatchObject({ command: "cont", errorClass: "GenericError", code: "ERR_PROTOCOL" });
});

it("rejects with ProtocolError when the result has another shape", async () => {
  await using monitor = await FakeMonitor.start(() => ({ status: 5 }));
  await using client = await QmpClient.connect(monitor.path);
  await expect(client.execute("query-status")).rejects.toThrow(ProtocolError);
});

it("matches answers to concurrent commands by id, in any order", async () => {
  await using monitor = await FakeMonitor.start((command, m) => {
    if (command.arguments["property"] === "first") return SILENCE;
    m.send({ return: "second", id: command.id });
    m.send({ return: "first", id: command.id - 1 });
    return SILENCE;
  });
  await using client = await QmpClient.connect(monitor.path);
  const answers = await Promise.all([
    client.execute("qom-get", { path: "/", property: "first" }),
    client.execute("qom-get", { path: "/", property: "second" }),
  ]);
  expect(answers).toEqual(["first", "second"]);
});

it("rejects an aborted command with the reason, and gives its late answer to no other command", async () => {
  await using monitor = await FakeMonitor.start((command) => (command.execute === "stop" ? SILENCE : status));
  await using client = await QmpClient.connect(monitor.path);
  const reason = new Error("changed my mind");
  const controller = new AbortController();
  const stopped = client.execute("stop", {}, { signal: controller.signal });
  controller.abort(reason);
  await expect(stopped).rejects.toBe(reason);
  const asking = client.execute("query-status");
  monitor.send({ return: {}, id: 2 });
  expect(await asking).toEqual({ status: "running", running: true });
  expect(monitor.received.find(({ execute }) => execute === "stop")?.id).toBe(2);
  expect(new Set(monitor.received.map((c) => c.id)).size).toBe(monitor.received.length);
});

it("does not send a command whose signal is already aborted", async () => {
  await using monitor = await FakeMonitor.start(() => ({}));
  await using client = await QmpClient.connect(monitor.path);
  const reason = new Error("never");
  await expect(client.execute("stop", {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(monitor.received).toHaveLength(1);
});

it("fails every pending command with ConnectionError when the machine goes away, and settles closed", async () => {
  await using monitor = await FakeMonitor.start((command, m) => {
    if (command.execute === "cont") m.hangUp();
    return SILENCE;
  });
  await using client = await QmpClient.connect(monitor.path);
  const results = await Promise.allSettled([client.execute("stop"), client.execute("cont")]);
  for (const result of results) {
    expect(result.status).toBe("rejected");
    expect(result.status === "rejected" && result.reason).toBeInstanceOf(ConnectionError);
  }
  await client.closed;
  await expect(client.execute("stop")).rejects.toThrow(ConnectionError);
});

it("survives a line that is not JSON: waiting commands fail with ProtocolError, later ones work", async () => {
  const heard: ProtocolError[] = [];
  await using monitor = await FakeMonitor.start((command, m) => {
    if (command.execute !== "stop") return status;
    m.raw("{nonsense\n");
    return SILENCE;
  });
  await using client = await QmpClient.connect(monitor.path, { onProtocolError: (error) => heard.push(error) });
  await expect(client.execute("stop")).rejects.toThrow(ProtocolError);
  expect(await client.execute("query-status")).toMatchObject({ running: true });
  expect(heard.map((e) => e.received)).toEqual(["{nonsense"]);
});

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

it.each([
  ["a line", nested(30_000)],
  ["an answer", `{"return": ${nested(30_000)}, "id": 2}`],
])("survives %s of 30,000 nested arrays: it fails with ProtocolError, and later commands work", async (_, line) => {
  const heard: ProtocolError[] = [];
  await using monitor = await FakeMonitor.start((command, m) => {
    if (command.execute !== "stop") return status;
    m.raw(`${line}\n`);
    return SILENCE;
  });
  await using client = await QmpClient.connect(monitor.path, { onProtocolError: (error) => heard.push(error) });
  await expect(client.execute("stop")).rejects.toThrow(ProtocolError);
  expect(await client.execute("query-status")).toMatchObject({ running: true });
  expect(heard).toHaveLength(1);
});

it("survives an event of 30,000 nested arrays", async () => {
  const heard: ProtocolError[] = [];
  await using monitor = await FakeMonitor.start((_, m) => {
    m.raw(
      `{"event": "SHUTDOWN", "data": {"guest": ${nested(30_000)}}, "timestamp": {"seconds": 1, "microseconds": 2}}\n`,
    );
    return status;
  });
  await using client = await QmpClient.connect(monitor.path, { onProtocolError: (error) => heard.push(error) });
  await expect(client.execute("query-status")).rejects.toThrow(ProtocolError);
  expect(heard).toHaveLength(1);
});

it("accepts an answer as deeply nested as QEMU itself accepts", async () => {
  await using monitor = await FakeMonitor.start((_, m) => {
    m.raw(`{"return": ${nested(1000)}, "id": 2}\n`);
    return SILENCE;
  });
  await using client = await QmpClient.connect(monitor.path);
  expect(JSON.stringify(await client.call("query-block"))).toBe(nested(1000));
});

it("drops a line that exceeds the limit without keeping it, and reads on", async () => {
  const heard: ProtocolError[] = [];
  await using monitor = await FakeMonitor.start((command, m) => {
    if (command.execute !== "stop") return status;
    m.raw(`{"return": "${"x".repeat(300_000)}", "id": 2}\n`);
    return SILENCE;
  });
  const options = { maxLine: 10_000, onProtocolError: (error: ProtocolError) => heard.push(error) };
  await using client = await QmpClient.connect(monitor.path, options);
  await expect(client.execute("stop")).rejects.toThrow(ProtocolError);
  expect(await client.execute("query-status")).toMatchObject({ running: true });
  expect(heard).toHaveLength(1);
});

it("can be closed twice", async () => {
  await using monitor = await FakeMonitor.start(() => ({}));
  const client = await QmpClient.connect(monitor.path);
  await client.close();
  await client.close();
  expect(await client.closed).toBeUndefined();
});
