import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("agent-user.ts", import.meta.url));

/** Another process that uses the agent of the machine. */
export class User {
  readonly child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(root: string, name: string) {
    const argv = ["--import", "tsx", "--conditions=@pileus/source", script, root, name];
    const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.child = child;
    this.#answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  async ask<T = unknown>(...request: readonly [string, ...string[]]): Promise<T> {
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the process ended before it answered ${request[0]}`);
    const { value: answer, failure } = JSON.parse(value);
    if (failure !== undefined) throw new Error(`${request.join(" ")}: ${failure}`);
    return answer;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await gone;
  }
}
