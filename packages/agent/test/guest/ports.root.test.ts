import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { spawn as run } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { findNativeModule } from "../../src/drive/native-modules.ts";
import { loadNative } from "../../src/guest/native.ts";
import { watchPorts } from "../../src/guest/port-names.ts";
import { PortWatch } from "../../src/guest/port-watch.ts";
import { AGENT_PORT, agentPort } from "../../src/guest-setup/paths.ts";
import { encodeFrame, FRAME } from "../../src/protocol/frame.ts";
import { encodeRecord, PROTOCOLS } from "../../src/protocol/record.ts";
import { bundleAgent } from "../support/agent-process.ts";
import { tellOfDevice } from "../support/kernel-news.ts";

const NEEDS = ["root", "binary:mkfifo", "binary:prlimit"] as const;
const UNEXPECTED = `process.on("SIGUSR2", () => { throw new Error("unexpected"); });`;

let folder: string;
let guest: string;
let agent: ChildProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-agent-ports-"));
  await bundleAgent(folder);
  await writeFile(join(folder, "unexpected.cjs"), UNEXPECTED);
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  guest = await mkdtemp(join(folder, "guest-"));
  await mkdir(join(guest, "dev"));
});
afterEach(() => agent?.kill("SIGKILL"));

/** Gives the guest a port. A FIFO stands for its device. */
async function plug(number: number): Promise<void> {
  await run(["mkfifo", join(guest, `dev/vport0p${number}`)]);
  const port = join(guest, `sys/class/virtio-ports/vport0p${number}`);
  await mkdir(port, { recursive: true });
  await writeFile(join(port, "name"), `${agentPort(number)}\n`);
}

/** Starts the agent in the guest, and waits until it serves the first port. */
async function start(): Promise<ChildProcess> {
  const root = openSync(guest, "r");
  const argv = ["--require", join(folder, "unexpected.cjs"), join(folder, "guest.cjs")];
  const options = ["--port", AGENT_PORT, "--root", "3"];
  agent = spawn(process.execPath, [...argv, ...options], { stdio: ["ignore", "ignore", "pipe", root] });
  closeSync(root);
  await vi.waitFor(() => expect(served()).toEqual(["vport0p0"]), 20_000);
  return agent;
}

/** The ports that the agent has open. */
function served(): readonly string[] {
  const own = `/proc/${agent.pid}/fd`;
  const paths = readdirSync(own).map((fd) => readlinkSync(join(own, fd)));
  return paths.flatMap((path) => (path.startsWith(join(guest, "dev/")) ? [path.slice(guest.length + 5)] : [])).sort();
}

it(
  "an agent that may open no more files goes on, and serves a new port with the next news of one",
  { timeout: 60_000 },
  requires(NEEDS, async () => {
    await plug(0);
    const { pid = 0, stderr } = await start();
    if (stderr === null) throw new Error("no pipe");
    let said = "";
    stderr.on("data", (bytes: Buffer) => {
      said += bytes;
    });
    await run(["prlimit", `--pid=${pid}`, "--nofile=4:4096"]);
    await plug(1);
    tellOfDevice("virtio-ports");
    await vi.waitFor(() => expect(said).toContain("another port cannot be served: EMFILE"), 20_000);
    expect(served()).toEqual(["vport0p0"]);
    await run(["prlimit", `--pid=${pid}`, "--nofile=1024:4096"]);
    tellOfDevice("virtio-ports");
    await vi.waitFor(() => expect(served()).toEqual(["vport0p0", "vport0p1"]), 20_000);
    expect(agent.exitCode).toBeNull();
  }),
);

it(
  "an agent that lacked a descriptor for a new port serves it when a call has ended, without news of a port",
  { timeout: 60_000 },
  requires(NEEDS, async () => {
    await plug(0);
    const { pid = 0, stderr } = await start();
    if (stderr === null) throw new Error("no pipe");
    const refused = once(stderr, "data");
    await run(["prlimit", `--pid=${pid}`, "--nofile=4:4096"]);
    await plug(1);
    tellOfDevice("virtio-ports");
    expect(String(await refused)).toContain("another port cannot be served: EMFILE");
    await run(["prlimit", `--pid=${pid}`, "--nofile=1024:4096"]);
    // What an agent reads when a session begins.
    const random = join(guest, "proc/sys/kernel/random");
    await mkdir(random, { recursive: true });
    await writeFile(join(random, "boot_id"), "00000000-0000-0000-0000-000000000000\n");
    const hello = encodeRecord("hello", { token: "0".repeat(32), protocols: [...PROTOCOLS] });
    const call = encodeFrame(FRAME.call, 1, 0, Buffer.from(JSON.stringify({ method: "ping" })));
    await writeFile(join(guest, "dev/vport0p0"), Buffer.concat([hello, call]));
    await vi.waitFor(() => expect(served()).toEqual(["vport0p0", "vport0p1"]), 20_000);
  }),
);

it(
  "an agent in which something unexpected is thrown says what and ends, so that its guest can start another",
  { timeout: 60_000 },
  requires(NEEDS, async () => {
    await plug(0);
    const { stderr } = await start();
    if (stderr === null) throw new Error("no pipe");
    const ended = once(agent, "exit");
    agent.kill("SIGUSR2");
    expect(await text(stderr)).toContain("pileus-agent: Error: unexpected");
    expect(await ended).toEqual([null, "SIGKILL"]);
  }),
);

it(
  "news of a port may be among the news that the kernel had no room for",
  requires(["root"], async () => {
    const native = loadNative(findNativeModule("koffi.node") ?? "");
    const changed = vi.fn();
    watchPorts(native, new PortWatch(native), changed);
    tellOfDevice("of-others", 10);
    tellOfDevice("virtio-ports");
    await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), 10_000);
    // More than the socket holds, before this process can read any.
    tellOfDevice("of-others", 5000);
    await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(2), 10_000);
  }),
);
