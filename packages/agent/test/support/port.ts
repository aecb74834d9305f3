import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/**
 * A virtio-serial port in front of an agent. The agent keeps one connection forever and learns nothing about hosts.
 * Hosts come and go, and the next host gets what the last one left unread.
 */
export class Port implements AsyncDisposable {
  readonly #agent: Socket;
  readonly #server: Server;
  readonly #held: Buffer[] = [];
  #host: Socket | undefined;
  #holding = false;

  private constructor(agent: Socket) {
    this.#agent = agent;
    agent.on("data", (chunk) => {
      if (this.#host === undefined || this.#holding) this.#held.push(chunk);
      else this.#host.write(chunk);
    });
    this.#server = createServer((host) => {
      this.#host = host;
      this.#holding = false;
      for (const chunk of this.#held.splice(0)) host.write(chunk);
      host.on("data", (chunk) => agent.write(chunk));
      host.on("error", () => undefined);
      host.on("close", () => {
        this.#host = undefined;
      });
    });
  }

  static async open(agent: Socket, path: string): Promise<Port> {
    const port = new Port(agent);
    port.#server.listen(path);
    await once(port.#server, "listening");
    return port;
  }

  /** Keeps what the agent sends until the next host, as if the host no longer read. */
  hold(): void {
    this.#holding = true;
  }

  /** Cuts the connection, as when the host's process dies. */
  async cut(): Promise<void> {
    const host = this.#host;
    if (host === undefined) return;
    host.destroy();
    await once(host, "close");
  }

  /** Writes to the agent, as if from a host. */
  write(bytes: Buffer): void {
    this.#agent.write(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#host?.destroy();
    const closed = once(this.#agent, "close");
    this.#agent.resume().end();
    await Promise.all([closed, new Promise((resolve) => this.#server.close(resolve))]);
  }
}
