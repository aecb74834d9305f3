import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DetachedInfo, ExitStatus } from "@pileus/core";
import { type BackendDetachedProgram, KeptPrograms } from "@pileus/core/driver";
import { UNCONFINED } from "../../src/confinement.ts";
import { startDetached } from "../../src/exec/detached.ts";
import { ExecHelpers } from "../../src/exec/helper.ts";

/** Detached programs on the host itself, because helpers work anywhere: as those of a container with this run folder. */
export class KeptHere implements Disposable {
  readonly run: string;
  readonly programs: KeptPrograms;
  readonly helpers = new ExecHelpers({
    name: "here",
    argv: ["/proc/self/fd/4"],
    env: {},
    confinement: UNCONFINED,
    stayTime: () => 60_000,
  });
  #last = 0;

  constructor(run = mkdtempSync(join(tmpdir(), "pileus-detached-"))) {
    this.run = run;
    const user = { uid: 0, gid: 0, groups: [] };
    this.programs = new KeptPrograms({
      name: "here",
      run,
      cgroups: () => [],
      start: (request, launch, options) => {
        const { argv } = request;
        const asked = { argv, env: { PATH: "/usr/bin:/bin" }, cwd: "/", ...user, tty: undefined };
        const target = { name: "here", idmap: undefined, run };
        return startDetached(this.helpers, target, request, Promise.resolve(asked), launch, options);
      },
    });
  }

  folder(id: string): string {
    return join(this.run, "exec", id);
  }

  /** Starts a script of sh. */
  start(script: string, id = this.id(), options: { readonly signal?: AbortSignal } = {}): Promise<DetachedInfo> {
    const request = { id, argv: ["sh", "-c", script], env: {}, cwd: undefined, user: undefined, tty: undefined };
    return this.programs.start(request, options);
  }

  id(): string {
    this.#last += 1;
    return `${process.pid.toString(16)}${this.#last.toString(16).padStart(6, "0")}`.padStart(16, "0");
  }

  async open(id: string): Promise<BackendDetachedProgram> {
    const found = await this.programs.open(id, {});
    if (found === undefined) throw new Error(`no program ${id}`);
    return found;
  }

  async exitOf(id: string): Promise<ExitStatus | undefined> {
    return (await this.open(id)).exit;
  }

  /** All that is kept of its output, at its end. */
  async outputOf(id: string, offset = 0): Promise<{ readonly at: number; readonly text: string }> {
    const program = await this.open(id);
    let at: number | undefined;
    let text = "";
    for await (const { offset: from, data } of await program.output({ offset, follow: true })) {
      at ??= from;
      text += data.toString("latin1");
    }
    program.release();
    return { at: at ?? 0, text };
  }

  [Symbol.dispose](): void {
    this.helpers[Symbol.dispose]();
  }
}
