import { constants } from "node:os";
import { posix } from "node:path";
import { isInstanceError } from "@pileus/core";
import { type FileOperations, parseJson } from "@pileus/core/driver";
import { parseSignal } from "@pileus/core/files";
import { z } from "zod";
import type { InitSpec } from "./container-spec.ts";
import type { LxcSection } from "./section.ts";

/** SIGRTMIN+3, counted from the first that is left to programs: signal(7). */
const SYSTEMD_HALT = 37;

/** As the kernel: path_resolution(7). */
const MAX_LINKS = 40;

/** What is known of the init of a run; kept with the run, for whoever adopts it. */
const InitSystemSchema = z.looseObject({
  argv: z.array(z.string()).min(1),
  haltSignal: z.number().int().positive(),
  kind: z.enum(["systemd", "other"]),
});
export type InitSystem = z.output<typeof InitSystemSchema> & Pick<InitSpec, "kind">;

/**
 * Reads what was kept of the init of a run. It is written before anything is started: what is empty or cut short is of
 * a launch that did not get so far, and tells nothing.
 */
export function parseInitSystem(text: string): InitSystem | undefined {
  try {
    return InitSystemSchema.parse(parseJson(text));
  } catch {
    return undefined;
  }
}

/** Looks at what PID 1 will be, and how it wants to be asked for an orderly end. */
export async function detectInit(files: FileOperations, section: LxcSection): Promise<InitSystem> {
  const argv = section.init ?? ["/sbin/init"];
  const program = posix.basename(await followLinks(files, argv[0] as string));
  const kind = program === "systemd" ? "systemd" : "other";
  const asked = section.haltSignal === undefined ? undefined : parseSignal(section.haltSignal);
  return { argv: [...argv], haltSignal: asked ?? haltSignalOf(program), kind };
}

function haltSignalOf(program: string): number {
  switch (program) {
    // systemd(1), "Signals": SIGRTMIN+3 starts halt.target.
    case "systemd":
      return SYSTEMD_HALT;
    // init.c: halts at SIGUSR1, powers off at SIGUSR2.
    case "busybox":
      return constants.signals.SIGUSR2;
    // What liblxc sends when it knows nothing: sysvinit and OpenRC take it as a power failure.
    default:
      return constants.signals.SIGPWR;
  }
}

async function followLinks(files: FileOperations, path: string): Promise<string> {
  let at = path;
  for (let hop = 0; hop < MAX_LINKS; hop += 1) {
    const target = await readLink(files, at);
    if (target === undefined) return at;
    // Not made shorter: ".." after a symlink is not the folder before it.
    at = target.startsWith("/") ? target : `${posix.dirname(at)}/${target}`;
  }
  return at;
}

async function readLink(files: FileOperations, path: string): Promise<string | undefined> {
  try {
    return (await files.stat(path, {})).target;
  } catch (error) {
    // Nothing there: the start will say so.
    if (isInstanceError(error, "ERR_FILE")) return undefined;
    throw error;
  }
}
