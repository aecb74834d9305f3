import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import { keeperSocket } from "../../src/keeper/connection.ts";
import { KEEPER_BINARIES } from "../../src/keeper/keeper-binary.ts";
import { encodeFrame, type KeeperMessage, keeperMessages } from "../../src/keeper/messages.ts";
import { encodeOrder, words } from "../../src/keeper/order.ts";
import { openKeeperStream } from "../../src/keeper/stream.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { keep, places, shell } from "./support.ts";

const place = places();

/** A client that speaks by frames. */
async function client(run: string) {
  const socket = connect(keeperSocket(run));
  await once(socket, "connect");
  const decode = keeperMessages();
  const seen: KeeperMessage[] = [];
  socket.on("data", (bytes: Buffer) => seen.push(...decode(bytes)));
  const until = (kind: KeeperMessage["kind"]) =>
    expect.poll(() => seen.some((message) => message.kind === kind), { timeout: 10_000, interval: 5 }).toBe(true);
  const say = (kind: number, ...numbers: number[]) => socket.write(encodeFrame(kind, words(numbers)));
  return { socket, seen, until, say };
}

it("a keeper speaks the oldest version with a client of that, and sends it nothing newer", async () => {
  const folders = place();
  const keeper = await keep(folders, { ...shell("echo ready; read a; echo got $a; read b; exit 3"), input: true });
  const { socket, seen, until, say } = await client(folders.run);
  say(1, 1);
  say(4, 1, 0xffffffff);
  await until("data");
  say(5, 0);
  await until("writer");
  socket.write(encodeFrame(6, Buffer.from("old\n")));
  say(9, 7);
  await until("synced");
  socket.write(encodeFrame(6, Buffer.from("end\n")));
  await until("exit");
  await keeper.exit;
  const printed = seen.map((message) => (message.kind === "data" ? String(message.bytes) : "")).join("");
  expect(printed).toBe("ready\ngot old\n");
  expect(seen.map(({ kind }) => kind)).not.toContain("reading");
  expect(seen.at(-1)).toMatchObject({ kind: "exit", text: expect.stringContaining('"status":768') });
});

it("a keeper speaks its own version with a client of a later one, and disconnects one that says what it does not know", async () => {
  const folders = place();
  const keeper = await keep(folders, shell("echo ready; exec sleep 1000"));
  const { socket, seen, until, say } = await client(folders.run);
  say(1, 1000);
  await until("hello");
  expect(seen[0]).toMatchObject({ kind: "hello", version: 2, state: "running" });
  say(4, 1, 0xffffffff);
  await until("data");
  expect(seen.map(({ kind }) => kind)).toContain("reading");
  const gone = once(socket, "close");
  say(500, 1);
  await gone;
  await keeper.sync();
  expect(keeper.state.state).toBe("running");
  keeper.kill();
  await keeper.exit;
});

it.each([
  [1, ["hello", "ready", "synced"]],
  [2, ["hello", "ready", "reading", "synced"]],
  [1000, ["hello", "ready", "reading", "synced"]],
])("a keeper speaks the version of who launches it, %i, if it can", async (version, kinds) => {
  const { run, log } = place();
  const program = join(run, "keeper");
  writeFileSync(program, Buffer.from(KEEPER_BINARIES[process.arch] ?? "", "base64"), { mode: 0o700 });
  const listener = listenUnix(keeperSocket(run));
  const folders = [run, log].map((path) => openSync(path, "r"));
  const keeper = spawn(program, [], {
    stdio: ["ignore", "ignore", "inherit", "pipe", ...folders, listener, "ignore", "ignore", "ignore"],
  });
  for (const fd of [...folders, listener]) closeSync(fd);
  const socket = keeper.stdio[3] as Socket;
  const decode = keeperMessages();
  const seen: KeeperMessage[] = [];
  socket.on("data", (bytes: Buffer) => seen.push(...decode(bytes)));
  const config = encodeFrame(2, encodeOrder(shell("exit 0")));
  // What comes of the reading comes before the answer to SYNC.
  const asked = [encodeFrame(1, words([version])), config, encodeFrame(4, words([1, 0])), encodeFrame(9, words([7]))];
  socket.write(Buffer.concat(asked));
  await expect.poll(() => seen.map(({ kind }) => kind), { timeout: 10_000, interval: 5 }).toEqual(kinds);
  const end = once(keeper, "exit");
  socket.destroy();
  await end;
});

it("a stream is opened of a keeper of the oldest version, which does not confirm it", async () => {
  const { run } = place();
  const hello = encodeFrame(1, words([1, 1, 2, 4711, 4712, 1, 1, 4713, 0]));
  const data = encodeFrame(6, Buffer.concat([words([0, 0, 0, 0]), Buffer.from("from an old keeper")]));
  const later = encodeFrame(77, Buffer.from("what this library does not know"));
  const clients: Socket[] = [];
  const server = createServer((socket) => {
    clients.push(socket);
    socket.end(Buffer.concat([hello, later, data, encodeFrame(10, Buffer.from("{}"))]));
  });
  server.listen(keeperSocket(run));
  await once(server, "listening");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const opened = openKeeperStream(run).then((stream) => ({ stream, timers: vi.getTimerCount() }));
  const { stream, timers } = await opened.finally(() => vi.useRealTimers());
  // Nor does anything wait for that.
  expect(timers).toBe(0);
  expect(await text(stream)).toBe("from an old keeper");
  for (const socket of clients) socket.destroy();
  server.close();
});
