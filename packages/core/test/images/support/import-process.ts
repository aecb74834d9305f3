import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./import-script.ts", import.meta.url));

/** An import in a process of its own, which can be made to hang in the middle. */
export class ImportProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error("no stdout");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** `under`: a command that ends by running the rest of its arguments in its own place. */
  static start(
    folder: string,
    source: string,
    options: { readonly hangAt?: number; readonly under?: readonly string[] } = {},
  ): ImportProcess {
    const script = ["--import", "tsx", "--conditions=@pileus/source", SCRIPT];
    const argv = [...script, folder, source, String(options.hangAt ?? "")];
    const [file = "", ...rest] = [...(options.under ?? []), process.execPath, ...argv];
    const child = spawn(file, rest, {
      cwd: fileURLToPath(new URL("../../../../../", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    return new ImportProcess(child);
  }

  /** Waits until it has come to where it hangs. */
  async hanging(): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== "hanging") throw new Error(`the import said ${value}`);
  }

  async result(): Promise<{ fingerprint: string; worked: boolean }> {
    const { value } = await this.#lines.next();
    return JSON.parse(String(value)) as { fingerprint: string; worked: boolean };
  }

  /** Kills it, if it is still there. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
