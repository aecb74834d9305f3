import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { keeperSocket } from "../../src/keeper/connection.ts";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { ASK, encodeFrame, PROTOCOL } from "../../src/keeper/messages.ts";
import { words } from "../../src/keeper/order.ts";
import {
  identifyChild,
  type ProcessIdentity,
  parseProcessStat,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { keep, places, shell } from "./support.ts";

const place = places();
const KILLED = { kind: "signaled", signal: "SIGKILL" };
const kill = encodeFrame(ASK.kill);

/** More than a pipe takes, from a writer. */
const input = [
  encodeFrame(ASK.write, words([1])),
  ...Array.from({ length: 20 }, () => encodeFrame(ASK.input, Buffer.alloc(4096))),
];

it.each([
  ["", [kill]],
  [", after more input than the program takes", [...input, kill]],
])("a keeper obeys a peer that has asked for a kill and is gone before the first answer%s", async (_, frames) => {
  const folders = place();
  const keeper = await keep(folders, { ...shell("exec sleep 1000"), input: true });
  const identity = await stop(keeper.state.keeper);
  const peer = connect(keeperSocket(folders.run));
  peer.end(Buffer.concat([encodeFrame(ASK.hello, words([PROTOCOL])), ...frames]));
  await once(peer, "finish");
  peer.destroy();
  await once(peer, "close");
  await signalProcess(identity, "SIGCONT");
  expect((await keeper.exit)?.status).toEqual(KILLED);
});

/** A PID 1 that comes to its keeper (packages/core/keeper/announce.h), and becomes its program when the file `go` is there. */
const INIT = `
const { existsSync, watch, writeFileSync } = require("node:fs");
const [, announce, folder] = process.argv;
const socket = require("node:net").connect(announce);
socket.once("data", () => {
  const become = () => existsSync(folder + "/go") && socket.destroy();
  watch(folder, become);
  socket.once("close", () => writeFileSync(folder + "/gone", ""));
  writeFileSync(folder + "/pid", String(process.pid));
});
setInterval(() => undefined, 1000);
`;

it("a start that is given up ends a program that its keeper already takes for a run", async () => {
  const folders = place();
  const [program, announce] = [openSync("/bin/sh", "r"), listenUnix(join(folders.run, "announce"))];
  const argv = [
    "sh",
    "-c",
    '"$@"; kill -KILL $$',
    "sh",
    process.execPath,
    "-e",
    INIT,
    join(folders.run, "announce"),
    folders.log,
  ];
  const launched = await launchKeeper(folders, { argv, env: {} }, { starter: { program, announce } });
  for (const fd of [program, announce]) closeSync(fd);
  const controller = new AbortController();
  const begun = launched.begin({ signal: controller.signal });
  begun.catch(() => undefined);
  const pidFile = join(folders.log, "pid");
  await vi.waitUntil(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "", 20_000);
  const init = identifyChild(Number(readFileSync(pidFile, "utf8")));
  const keeper = await stop(launched.pid);
  closeSync(openSync(join(folders.log, "go"), "w"));
  // The keeper finds the start and what its client has said last, in this order.
  await vi.waitUntil(() => existsSync(join(folders.log, "gone")), 20_000);
  controller.abort(new Error("enough"));
  await signalProcess(keeper, "SIGCONT");
  await expect(begun).rejects.toThrow("enough");
  await waitForEnd(init, { timeout: 20_000 });
  await waitForEnd(keeper, { timeout: 20_000 });
});

/** Stops a process, and waits until it is. */
async function stop(pid: number): Promise<ProcessIdentity> {
  const identity = identifyChild(pid);
  await signalProcess(identity, "SIGSTOP");
  await vi.waitUntil(() => parseProcessStat(readFileSync(`/proc/${pid}/stat`, "latin1"))?.state === "T", 20_000);
  return identity;
}
