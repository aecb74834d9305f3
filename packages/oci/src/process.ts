import { constants } from "node:os";
import { posix } from "node:path";
import { ConfigError, type OciProcess } from "@pileus/core";
import { parseSignal } from "@pileus/core/files";
import { refusedVariables } from "@pileus/lxc/runtime";
import type { OciSection } from "./section.ts";

/** The main program of an instance: the values of its image, unless its configuration overrides them. */
export interface Program {
  /** Exactly the `argv` of the program: no shell reads or splits it. Empty only if `idle`. */
  readonly argv: readonly string[];
  /** What runs as PID 1: the program itself, an init with the program, or the init alone. */
  readonly role: "program" | "reaper" | "idle";
  /** Without `HOME`, which depends on the user. */
  readonly env: Readonly<Record<string, string>>;
  /** The same without the variables of the instance's configuration, which may change while it runs. */
  readonly imageEnv: Readonly<Record<string, string>>;
  /** An absolute path. */
  readonly workdir: string;
  /** In the form of image-spec, `""` for root; see `resolveUser()`. */
  readonly user: string;
  /** The number of the signal that asks it to end. */
  readonly stopSignal: number;
}

/** Docker's value when the image sets none: moby, daemon/oci_linux.go. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The program of an instance. Pure.
 *
 * @throws {ConfigError} when neither image nor configuration names one, or the image's stop signal does not exist, or
 * one of its variables is refused
 */
export function resolveProgram(
  image: OciProcess,
  section: OciSection,
  instance: { readonly name: string; readonly env: Readonly<Record<string, string>> },
): Program {
  // As Docker merges them (moby, daemon/commit.go): the image's cmd belongs to the image's entrypoint. It stays if the
  // configuration only removes the entrypoint.
  const role = section.keepAlive ? "idle" : section.init ? "reaper" : "program";
  const entrypoint = section.entrypoint ?? image.entrypoint;
  const cmd = section.cmd ?? (section.entrypoint?.length ? [] : image.cmd);
  const argv = role === "idle" ? [] : [...entrypoint, ...cmd];
  if (role !== "idle" && argv[0] === "") {
    const key = entrypoint.length > 0 ? "entrypoint" : "cmd";
    const message =
      section[key] === undefined
        ? `the image's ${key} begins with an empty word, which is no program: name the program to run`
        : "the first word is the program: it cannot be empty";
    throw new ConfigError("instance config", [{ path: ["oci", key], message }]);
  }
  if (role !== "idle" && argv[0] === undefined)
    throw new ConfigError("instance config", [
      { path: ["oci", "cmd"], message: "the image has neither an entrypoint nor a cmd: name the program to run" },
    ]);
  const signal = role === "idle" ? undefined : (section.stopSignal ?? image.stopSignal);
  const stopSignal = signal === undefined ? constants.signals.SIGTERM : parseSignal(signal);
  if (stopSignal === undefined)
    throw new ConfigError("instance config", [
      {
        path: ["oci", "stopSignal"],
        message: `the image's ${JSON.stringify(signal)} is not a signal: name another one`,
      },
    ]);
  const imageEnv = { PATH: DEFAULT_PATH, HOSTNAME: instance.name, ...parseEnvironment(image.env) };
  const env = { ...imageEnv, ...instance.env };
  const refused = refusedVariables(env);
  if (refused.length > 0) throw new ConfigError("instance config", refused);
  return {
    role,
    argv,
    env,
    imageEnv,
    workdir: section.workdir ?? posix.resolve("/", image.workdir),
    user: section.user ?? image.user,
    stopSignal,
  };
}

/** Parses `NAME=value` entries. The last entry of a name wins, and a name alone has an empty value. */
function parseEnvironment(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf("=");
      return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}
