import { constants } from "node:os";
import { posix } from "node:path";
import { isInstanceError } from "@pileus/core";
import { type FileOperations, parseJson } from "@pileus/core/driver";
import { parseSignal } from "@pileus/core/files";
import { z } from "zod";
import type { InitSpec } from "./container-spec.ts";
import type { LxcSection } from "./section.ts";

/** SIGRTMIN+3, counted from the first real-time signal for programs: signal(7). */
const SYSTEMD_HALT = 37;

/** SIGRTMIN+5: starts reboot.target. */
const SYSTEMD_REBOOT = 39;

/** The kernel's own limit: path_resolution(7). */
const MAX_LINKS = 40;

/** What is known about the init of a run. It is kept with the run for a process that adopts it. */
const InitSystemSchema = z.looseObject({
  argv: z.array(z.string()).min(1),
  haltSignal: z.number().int().positive(),
  rebootSignal: z.number().int().positive().optional(),
  kind: z.enum(["systemd", "other"]),
});
export type InitSystem = z.output<typeof InitSystemSchema> & Pick<InitSpec, "kind">;

const RememberedSchema = z.looseObject({ init: InitSystemSchema });

/** The init among what was remembered of a launch; `undefined` if it did not get this far. */
export function rememberedInit(remembered: unknown): InitSystem | undefined {
  return RememberedSchema.safeParse(remembered).data?.init;
}

/**
 * Reads what an early release kept about the init of a run. It was written before anything was started: an empty or
 * truncated text comes from a launch that did not get this far, and gives `undefined`.
 */
export function parseInitSystem(text: string): InitSystem | undefined {
  try {
    return InitSystemSchema.parse(parseJson(text));
  } catch {
    return undefined;
  }
}

/** Finds out what PID 1 will be, and which signal asks it for an orderly end. */
export async function detectInit(files: FileOperations, section: LxcSection): Promise<InitSystem> {
  const argv = section.init ?? ["/sbin/init"];
  const program = posix.basename(await followLinks(files, argv[0] as string));
  const kind = program === "systemd" ? "systemd" : "other";
  const asked = section.haltSignal === undefined ? undefined : parseSignal(section.haltSignal);
  const signals = { haltSignal: asked ?? haltSignalOf(program), rebootSignal: rebootSignalOf(program) };
  return { argv: [...argv], ...signals, kind };
}

function rebootSignalOf(program: string): number {
  switch (program) {
    case "systemd":
      return SYSTEMD_REBOOT;
    // init.c
    case "busybox":
      return constants.signals.SIGTERM;
    // liblxc's default signal: sysvinit and OpenRC treat it as Ctrl-Alt-Del.
    default:
      return constants.signals.SIGINT;
  }
}

function haltSignalOf(program: string): number {
  switch (program) {
    // systemd(1), "Signals": SIGRTMIN+3 starts halt.target.
    case "systemd":
      return SYSTEMD_HALT;
    // init.c: halts at SIGUSR1, powers off at SIGUSR2.
    case "busybox":
      return constants.signals.SIGUSR2;
    // liblxc's default signal: sysvinit and OpenRC treat it as a power failure.
    default:
      return constants.signals.SIGPWR;
  }
}

async function followLinks(files: FileOperations, path: string): Promise<string> {
  let at = path;
  for (let hop = 0; hop < MAX_LINKS; hop += 1) {
    const target = await readLink(files, at);
    if (target === undefined) return at;
    // Not normalized: ".." after a symlink is not the folder before it.
    at = target.startsWith("/") ? target : `${posix.dirname(at)}/${target}`;
  }
  return at;
}

async function readLink(files: FileOperations, path: string): Promise<string | undefined> {
  try {
    return (await files.stat(path, {})).target;
  } catch (error) {
    // The file is missing: the start will report that.
    if (isInstanceError(error, "ERR_FILE")) return undefined;
    throw error;
  }
}
