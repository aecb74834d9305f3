import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecRequest } from "@pileus/core/driver";
import { build } from "tsup";
import { findNativeModule } from "../../src/drive/native-modules.ts";
import { type AgentClient, type ConnectAgentOptions, connectAgent } from "../../src/index.ts";
import { guest } from "../../tsup.guest.config.ts";

/** The deadline of each step, in milliseconds. */
export const DEADLINE = 20_000;

/** A real agent, bundled from the sources and run as a process of this host on a unix socket. */
export class AgentProcess implements AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.socket = join(folder, "agent.sock");
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** `preload`: a script for the agent's process, which runs first. */
  static async start(preload = ""): Promise<AgentProcess> {
    const folder = mkdtempSync(join(tmpdir(), "pileus-agent-test-"));
    await bundleAgent(folder);
    writeFileSync(join(folder, "preload.cjs"), preload);
    const log = openSync(join(folder, "agent.log"), "w");
    const own = ["--require", join(folder, "preload.cjs")];
    const argv = [...own, join(folder, "guest.cjs"), "--socket", join(folder, "agent.sock")];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", log] });
    if (child.stdout === null) throw new Error("no pipe");
    await once(child.stdout, "data", { signal: AbortSignal.timeout(DEADLINE) });
    return new AgentProcess(folder, child);
  }

  connect(): Socket {
    return connect(this.socket);
  }

  client(options: Partial<ConnectAgentOptions> = {}): Promise<AgentClient> {
    return connectAgent({ connect: () => this.connect(), timeout: DEADLINE, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Makes `guest.cjs` in a folder, and beside it what that needs. */
export async function bundleAgent(folder: string): Promise<void> {
  const cwd = new URL("../..", import.meta.url).pathname;
  await build({
    ...guest,
    entry: { guest: join(cwd, guest.entry.guest) },
    noExternal: [...guest.noExternal],
    tsconfig: join(cwd, "tsconfig.json"),
    outDir: folder,
    config: false,
    silent: true,
  });
  mkdirSync(join(folder, "bin"));
  symlinkSync(findNativeModule("koffi.node") ?? "/nonexistent", join(folder, "koffi.node"));
  symlinkSync("/bin/busybox", join(folder, "bin/busybox"));
}

/** A request with the defaults that the engine would fill in. */
export function request(argv: readonly string[], more: Partial<ExecRequest> = {}): ExecRequest {
  return { argv, env: {}, cwd: undefined, user: undefined, tty: undefined, ...more };
}
