import { closeSync, constants, openSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { LocalFiles, plainAccess } from "@pileus/core/files";
import { HEADER_SIZE, MAX_DATA } from "../protocol/frame.ts";
import { streamLink } from "../protocol/link.ts";
import { encodeRecord } from "../protocol/record.ts";
import { DetachedPrograms } from "./detached.ts";
import { HostTime } from "./host-time.ts";
import { Launcher } from "./launcher.ts";
import { exemptFromOomKiller } from "./oom-score.ts";
import { PortLink } from "./port-link.ts";
import { findPorts, watchPorts } from "./port-names.ts";
import { PortWatch } from "./port-watch.ts";
import { type AgentOptions, AgentSession } from "./session.ts";
import { SystemCalls } from "./system-calls.ts";

/**
 * The agent's process: `agent.cjs --port NAME` serves the virtio-serial ports NAME, NAME.1, NAME.2 …, each for a host of
 * its own; `agent.cjs --socket PATH` a unix socket, and prints a line on its standard output when it can be reached. `koffi.node` lies beside the bundle. `--root FD` is
 * the descriptor of the guest's root, for an agent that is started with its drive as root: Node may read files of its
 * distribution as it starts, which the drive has and a guest has not. `--tools FOLDER` (default: the folder of the
 * bundle) has `bin/busybox`; with `--root`, it is a path in the guest. `agent.cjs --check` only shows that this Node runs
 * the agent.
 */
declare const AGENT_VERSION: string;

// A port accepts 32 KiB in one write: one whole frame fits into it.
const PORT_DATA = 32 * 1024 - HEADER_SIZE;

function main(argv: readonly string[]): void {
  const options = new Map<string, string>();
  for (let at = 0; at + 1 < argv.length; at += 2) options.set(argv[at] as string, argv[at + 1] as string);
  const own = dirname(process.argv[1] ?? "/");
  const calls = new SystemCalls(join(own, "koffi.node"));
  const root = options.get("--root");
  if (root !== undefined) calls.enterRoot(Number(root));
  const busybox = join(options.get("--tools") ?? own, "bin/busybox");
  let freed = () => {};
  const launcher = new Launcher(calls);
  const programs = { calls, launcher, busybox, hostTime: new HostTime(), freed: () => freed() };
  const detached = new DetachedPrograms(programs);
  const tools = { ...programs, detached, files: new LocalFiles(plainAccess("/", calls)) };
  // Programs that run as root get root's group, not the groups that the agent was started with.
  if (process.getuid?.() === 0) calls.leaveGroups();
  process.umask(0o022);
  exemptFromOomKiller();
  // A Node or a library that does not fit would have failed by now.
  if (argv[0] === "--check") return;
  // Node would wait for the watch on another thread, for ever.
  process.on("uncaughtException", (error) => fail(error.stack ?? String(error)));
  const port = options.get("--port");
  const socket = options.get("--socket");
  if (port !== undefined) freed = servePorts(port, { tools, version: AGENT_VERSION, dataSize: PORT_DATA });
  else if (socket !== undefined) serveSocket(socket, { tools, version: AGENT_VERSION, dataSize: MAX_DATA });
  else fail("usage: agent (--port NAME | --socket PATH) [--root FD] [--tools FOLDER]");
}

/** Serves ports for ever. What it returns is to be called when descriptors may be free again. */
function servePorts(name: string, options: AgentOptions): () => void {
  const { native } = options.tools.calls;
  const watch = new PortWatch(native);
  const served = new Set<string>();
  const serve = (device: string): void => {
    const fd = openSync(device, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      const link = new PortLink({ fd, native, watch, greet: () => encodeRecord("here") });
      new AgentSession(link, options).listen((error) => {
        // exit() would wait forever for the watch on another thread.
        if (error !== undefined) fail(`the port ${device} failed: ${error.message}`);
      });
      served.add(device);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  };
  // For one more port the agent may lack something now, for example a descriptor. It tries again at the next change of
  // the ports, and when a call or a program has ended, which may have had many open.
  let isLacking = false;
  let wasLacking = false;
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (served.size === 0) throw error;
      isLacking = true;
      if (!wasLacking) say(`another port cannot be served: ${(error as Error).message}`);
    }
  };
  const serveNew = (): void => {
    wasLacking = isLacking;
    isLacking = false;
    attempt(() => {
      for (const device of findPorts(name)) if (!served.has(device)) attempt(() => serve(device));
    });
  };
  // The host plugs another port when all are taken.
  watchPorts(native, watch, serveNew);
  serveNew();
  if (served.size === 0) fail(`there is no virtio-serial port ${name}`);
  let isComing = false;
  return () => {
    if (!isLacking || isComing) return;
    isComing = true;
    // Later: what has ended closes its descriptors in this turn.
    setImmediate(() => {
      isComing = false;
      serveNew();
    });
  };
}

/** Serves one host at a time, like a port. A second host is refused. */
function serveSocket(path: string, options: AgentOptions): void {
  let current: Socket | undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    if (current !== undefined) {
      socket.on("error", () => undefined);
      socket.end(encodeRecord("refuse", { reason: "another host holds the session" }));
      return;
    }
    current = socket;
    socket.write(encodeRecord("here"));
    new AgentSession(streamLink(socket), options).listen(() => {
      current = undefined;
    });
  });
  server.listen(path, () => process.stdout.write("listening\n"));
}

function say(words: string): void {
  process.stderr.write(`pileus-agent: ${words}\n`);
}

function fail(reason: string): void {
  say(reason);
  process.kill(process.pid, "SIGKILL");
}

main(process.argv.slice(2));
