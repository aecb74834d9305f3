import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const GREETING = {
  QMP: {
    version: { qemu: { major: 7, minor: 2, micro: 22 }, package: "Debian 1:7.2+dfsg-7+deb12u16" },
    capabilities: ["oob"],
  },
};

export interface FakeCommand {
  readonly execute: string;
  readonly arguments: Record<string, unknown>;
  readonly id: number;
}

/** Answers one command; what it returns is the command's result. */
export type Script = (command: FakeCommand, monitor: FakeMonitor) => unknown;

/** A result that stands for no answer. */
export const SILENCE = Symbol("silence");

/** Throw it from a script to answer with a QMP error. */
export class FakeFailure extends Error {
  readonly errorClass: string;
  constructor(errorClass: string, message: string) {
    super(message);
    this.errorClass = errorClass;
  }
}

/** A QMP monitor on a unix socket that follows a script. Like QEMU's, it serves one client at a time. */
export class FakeMonitor implements AsyncDisposable {
  readonly path: string;
  readonly received: FakeCommand[] = [];
  readonly #folder: string;
  readonly #server: Server;
  #client: Socket | undefined;

  private constructor(folder: string, server: Server) {
    this.#folder = folder;
    this.#server = server;
    this.path = join(folder, "qmp.sock");
  }

  static async start(script: Script, options: { readonly greeting?: unknown } = {}): Promise<FakeMonitor> {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qmp-"));
    const server = createServer();
    const monitor = new FakeMonitor(folder, server);
    server.on("connection", (socket) => {
      if (monitor.#client !== undefined) return void socket.on("error", () => undefined);
      monitor.#client = socket;
      socket.on("error", () => undefined);
      socket.on("close", () => {
        monitor.#client = undefined;
      });
      if (options.greeting !== null) monitor.send(options.greeting ?? GREETING);
      let rest = "";
      socket.on("data", (chunk) => {
        const lines = (rest + chunk.toString("utf8")).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) monitor.#answer(JSON.parse(line) as FakeCommand, script);
      });
    });
    await new Promise<void>((resolve) => server.listen(monitor.path, resolve));
    return monitor;
  }

  send(message: unknown): void {
    this.raw(`${JSON.stringify(message)}\r\n`);
  }

  raw(text: string | Buffer): void {
    this.#client?.write(text);
  }

  event(event: string, data: Record<string, unknown> = {}): void {
    this.send({ event, data, timestamp: { seconds: 1_700_000_000, microseconds: 250_000 } });
  }

  /** Breaks the connection as a killed QEMU does. */
  hangUp(): void {
    this.#client?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #answer(command: FakeCommand, script: Script): void {
    this.received.push(command);
    if (command.execute === "qmp_capabilities") {
      this.send({ return: {}, id: command.id });
      return;
    }
    try {
      const value = script(command, this);
      if (value !== SILENCE) this.send({ return: value ?? {}, id: command.id });
    } catch (error) {
      if (!(error instanceof FakeFailure)) throw error;
      this.send({ error: { class: error.errorClass, desc: error.message }, id: command.id });
    }
  }
}
