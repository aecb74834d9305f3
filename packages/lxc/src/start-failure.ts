import { CommandError, ConnectionError, FileError, HostError, NotFoundError } from "@pileus/core";
import { errnoName, type KeeperFailure, killedHolder, namespaceError, STEP } from "@pileus/core/driver";
import { signalName } from "@pileus/core/files";
import { starterArgv } from "./commands.ts";
import type { ContainerSpec } from "./container-spec.ts";

/** The step of PID 1 that failed: helper/init-helper.c. */
const STEPS: Readonly<Record<number, string>> = {
  1: "become the user for",
  2: "run",
  3: "confine",
  5: "open the console of",
  6: "read the orders of",
};
const [PROGRAM, CONFINE, FOLDER] = [2, 3, 4];

/**
 * The error for a container that did not start: {@link NotFoundError} for a missing program, {@link FileError} for one
 * that cannot be run, or for a working folder that cannot be entered or is none of the container's.
 */
export function startFailure(spec: ContainerSpec, { step, errno, text }: KeeperFailure): Error {
  const code = errnoName(errno);
  switch (step & 0xff) {
    case STEP.init:
      return initFailure(spec, step >> 8, code);
    case STEP.cgroup: {
      const fix = "mount the cgroup file systems for writing, or let this process make cgroups at their root";
      const reason = `the cgroup of its keeper cannot be made or entered: ${code}`;
      return new HostError(`start container "${spec.hostName}"`, [{ need: "cgroup", reason, fix }]);
    }
    case STEP.setUp:
      return killedInit(spec, errno);
    case STEP.namespace:
      return namespaceError("unshare", errno);
    case STEP.idmap:
      return namespaceError("write", errno);
    case STEP.start:
      // A starter that was not killed says why it ends, and so do liblxc and the loader of programs.
      if (errno === 0) return text === "" ? killedHolder(`container "${spec.hostName}"`) : commandFailure(spec, text);
  }
  // The engine adds the fix.
  return Object.assign(new Error(`the start of container "${spec.hostName}": ${code}`), {
    code,
    errno,
    syscall: "start",
  });
}

/** PID 1 was killed before it came to its program. */
function killedInit({ hostName }: ContainerSpec, status: number): ConnectionError {
  const by = signalName(status & 0x7f);
  const why = `${by} killed it while it was set up: look for the OOM killer in dmesg(1), and start again`;
  return new ConnectionError(`PID 1 of container "${hostName}"`, why);
}

function initFailure({ init }: ContainerSpec, step: number, errno: string): Error {
  const { argv: [program = "PID 1"] = [], cwd = "/" } = init;
  if (step === PROGRAM && errno === "ENOENT")
    return new NotFoundError("program", program, {
      hint: "it is neither a path in the instance nor found by its PATH, or its interpreter is missing",
    });
  if (step === FOLDER) return new FileError({ verb: "enter", path: cwd, errno });
  // A rule of a profile that depends on arguments is only met here: refused-profile.ts.
  const detail =
    errno === "EPERM" && step !== CONFINE ? "its seccomp profile may refuse what a start needs" : undefined;
  return new FileError({ verb: STEPS[step] ?? "start", path: program, errno, ...(detail && { detail }) });
}

/** liblxc did not come to PID 1: its first error, which causes the others, comes last. */
function commandFailure(spec: ContainerSpec, text: string): CommandError | HostError {
  const first = firstError(text);
  const cause = new CommandError({ argv: starterArgv(spec), exitCode: 1, stderr: `${text}\n${first ?? ""}` });
  // strerror(3) of EMFILE. The soft limit is raised for the starter (settings.h): only the hard one stands in its way.
  if (first === undefined || !text.includes("Too many open files -")) return cause;
  const fix =
    "raise the hard limit of open files of this process (RLIMIT_NOFILE: ulimit -Hn, LimitNOFILE= of a unit) to 256 or more";
  return new HostError(`start container "${spec.hostName}"`, [{ need: "descriptors", reason: first, fix }], { cause });
}

/** Pure. log.c of liblxc, log_append_stderr: prefix, file, function, line and message. */
export function firstError(text: string): string | undefined {
  for (const line of text.split("\n")) {
    const found = /^start: (?:[\w.-]+: )?[\w./-]+: \w+: \d+ (.*)$/.exec(line);
    if (found !== null) return found[1];
  }
  return undefined;
}
