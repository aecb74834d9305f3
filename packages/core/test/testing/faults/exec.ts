import { PassThrough, Readable, Writable } from "node:stream";
import { ConnectionError, type Driver, type ExitStatus } from "@pileus/core";
import type { BackendProcess } from "@pileus/core/driver";
import { withProcess, withRequest, withRunning } from "../broken.ts";
import type { Fault } from "./fault.ts";

const AT_ONCE = "used at once by two more hosts in this process";
const numbers: Readonly<Record<string, number>> = { SIGTERM: 15, SIGKILL: 9, SIGINT: 2 };
const pipesOf = ({ streams }: BackendProcess) => {
  if (streams.kind !== "pipes") throw new TypeError("a terminal");
  return streams;
};
/** Changes the pipes of a program, and leaves terminals. */
const withPipes = (
  driver: Driver,
  change: (pipes: ReturnType<typeof pipesOf>) => Partial<ReturnType<typeof pipesOf>>,
) =>
  withProcess(driver, (process) => {
    if (process.streams.kind !== "pipes") return {};
    return { streams: { ...process.streams, ...change(process.streams) } };
  });
const withExit = (driver: Driver, change: (exit: ExitStatus) => ExitStatus) =>
  withProcess(driver, (process) => ({ exit: process.exit.then(change) }));

/** One host at a time can run programs. */
function forOneHost(driver: Driver): Driver {
  let holder: { readonly running: unknown; programs: number } | undefined;
  return withRunning(driver, (running) => ({
    exec: async (request, options) => {
      holder ??= { running, programs: 0 };
      if (holder.running !== running) throw new ConnectionError("the instance", "another host uses it");
      const held = holder;
      held.programs++;
      const process = await running.exec(request, options);
      void process.exit.then(() => {
        held.programs--;
        if (held.programs === 0) holder = undefined;
      });
      return process;
    },
  }));
}

/** Of running programs inside. */
export const EXEC_FAULTS: readonly Fault[] = [
  {
    what: "loses the exit code",
    seenBy: ["run > returns the exit code", "exec on a terminal > keeps the exit code"],
    broken: (driver) => withExit(driver, (exit) => (exit.kind === "exited" ? { kind: "exited", code: 0 } : exit)),
  },
  {
    what: "tells a signal as a shell would",
    seenBy: ["run > reports a program that ended by SIGTERM", "exec on pipes > ends a program by SIGKILL"],
    broken: (driver) =>
      withExit(driver, (exit) =>
        exit.kind === "signaled" ? { kind: "exited", code: 128 + (numbers[exit.signal] ?? 0) } : exit,
      ),
  },
  {
    what: "does not tell that memory ran out",
    seenBy: [
      "the result of run > tells that the kernel killed the program because memory ran out, and the instance can still be used",
    ],
    broken: (driver) => withProcess(driver, () => ({ ranOutOfMemory: async () => false })),
  },
  {
    what: "takes exit code 143 for SIGTERM",
    seenBy: ["run > distinguishes exit code 143 from an end by SIGTERM"],
    broken: (driver) =>
      withExit(driver, (exit) =>
        exit.kind === "exited" && exit.code === 143 ? { kind: "signaled", signal: "SIGTERM" } : exit,
      ),
  },
  {
    what: "serves one host at a time",
    seenBy: [`${AT_ONCE} > runs programs for all, while a program of each runs`],
    broken: forOneHost,
  },
  {
    what: "merges stderr into stdout",
    seenBy: [
      "run > keeps stdout and stderr apart",
      "exec on pipes > keeps the output for a reader that comes after the end",
    ],
    broken: (driver) =>
      withPipes(driver, ({ stdout, stderr }) => {
        async function* both() {
          yield* stdout;
          yield* stderr;
        }
        return { stdout: Readable.from(both(), { objectMode: false }), stderr: Readable.from([]) };
      }),
  },
  {
    what: "never closes stdin",
    seenBy: ["run > closes stdin at once without an input"],
    broken: (driver) =>
      withPipes(driver, ({ stdin }) => ({
        stdin: new Writable({ write: (chunk, _encoding, done) => void stdin.write(chunk, done) }),
      })),
  },
  {
    what: "lets the host's environment in",
    seenBy: ["run > passes nothing of the host's environment"],
    broken: (driver) =>
      withRequest(driver, (request) => ({
        ...request,
        env: { ...(process.env as Record<string, string>), ...request.env },
      })),
  },
  {
    what: "joins the arguments by spaces",
    seenBy: ["run > takes each argument as it is"],
    broken: (driver) =>
      withRequest(driver, (request) => ({ ...request, argv: request.argv.flatMap((word) => word.split(" ")) })),
  },
  {
    what: "ignores cwd",
    seenBy: ["run > starts in cwd"],
    broken: (driver) => withRequest(driver, (request) => ({ ...request, cwd: undefined })),
  },
  {
    what: "ignores the user",
    seenBy: ["run > runs as a user by name", "run > runs as user and group by number"],
    broken: (driver) => withRequest(driver, (request) => ({ ...request, user: undefined })),
  },
  {
    what: "forgets supplementary groups",
    seenBy: ["run > gives a named user its groups"],
    broken: (driver) =>
      withRequest(driver, ({ user, ...request }) => ({ ...request, user: user === "app" ? "1000:1000" : user })),
  },
  {
    what: "starts programs in a folder that is not there",
    seenBy: ["run > gives 126 for a cwd that does not exist", "run > gives 126 for a cwd that is a file"],
    broken: (driver) =>
      withRequest(driver, (request) => ({ ...request, cwd: request.cwd === "/tmp" ? "/tmp" : undefined })),
  },
  {
    what: "does not resize",
    seenBy: ["exec on a terminal > is resized"],
    broken: (driver) => withProcess(driver, () => ({ resize: async () => undefined })),
  },
  {
    what: "gives every terminal one size",
    seenBy: ["exec on a terminal > has the requested size"],
    broken: (driver) =>
      withRequest(driver, (request) => ({ ...request, tty: request.tty && { columns: 80, rows: 24 } })),
  },
  {
    what: "kills its own end, and leaves the program inside",
    seenBy: ["exec on pipes > kills the program inside when disposed, twice if need be"],
    broken: (driver) =>
      withProcess(driver, (process) => {
        let settle: (exit: ExitStatus) => void = () => {};
        const killed = new Promise<ExitStatus>((resolve) => {
          settle = resolve;
        });
        return {
          exit: Promise.race([process.exit, killed]),
          kill: async (signal) => settle({ kind: "signaled", signal }),
        };
      }),
  },
  {
    what: "tells a real-time signal by its number",
    seenBy: ["the end of a program > can come from a real-time signal, which is reported by name"],
    broken: (driver) =>
      withExit(driver, (exit) =>
        exit.kind === "signaled" && exit.signal.startsWith("SIGRT")
          ? { kind: "signaled", signal: "SIG37" as never }
          : exit,
      ),
  },
  {
    what: "ends a stream with the program alone",
    seenBy: ["the end of a program > is not needed for its output to end: a stream that it closes ends at once"],
    broken: (driver) =>
      withProcess(driver, ({ streams, exit }) => {
        if (streams.kind !== "pipes") return {};
        const stdout = streams.stdout.pipe(new PassThrough(), { end: false });
        void exit.then(() => stdout.end());
        return { streams: { ...streams, stdout } };
      }),
  },
  {
    what: "kills a program itself, and nothing that it started",
    seenBy: ["the end of a program > by disposal ends everything that it started"],
    broken: (driver) =>
      withProcess(driver, (process) => ({ kill: (signal) => process.kill(signal === "SIGKILL" ? "SIGINT" : signal) })),
  },
  {
    what: "never tells the end of a program that ended with its instance",
    seenBy: ["exec on pipes > settles, and ends its streams, when its instance is stopped"],
    broken: (driver) =>
      withProcess(driver, ({ exit }) => ({
        exit: exit.then((status) => (status.kind === "signaled" ? new Promise<never>(() => {}) : status)),
      })),
  },
  {
    what: "reads all output into memory",
    seenBy: ["exec on pipes > blocks a program whose output is not read, and loses none of it"],
    broken: (driver) =>
      withPipes(driver, ({ stdout }) => {
        const all = new PassThrough({ highWaterMark: 2 ** 30 });
        stdout.pipe(all);
        return { stdout: all };
      }),
  },
  {
    what: "lays every kill at memory's door",
    seenBy: ["the result of run > has the signal that ended the program, and no oom"],
    broken: (driver) => withProcess(driver, () => ({ ranOutOfMemory: async () => true })),
  },
  {
    what: "signals no group whose leader has ended",
    seenBy: ["after its end a program on pipes > can still have its process group signalled"],
    broken: (driver) =>
      withProcess(driver, (process) => {
        let ended = false;
        const end = () => {
          ended = true;
        };
        process.exit.then(end, end);
        return { kill: async (signal) => (ended ? undefined : process.kill(signal)) };
      }),
  },
  {
    what: "kills what a program left behind, when its owner is done with it",
    seenBy: ["after its end a program on pipes > leaves running what it started, whether disposed or aborted"],
    broken: (driver) => withProcess(driver, (process) => ({ release: () => void process.kill("SIGKILL") })),
  },
  {
    what: "holds back what was printed until the program has ended",
    // A run that is over its time limit takes what comes right after the kill, too: so its own check does not see this.
    seenBy: ["lines > of a program on pipes are delivered as they come, whether its stream is read or not"],
    broken: (driver) =>
      withProcess(driver, ({ streams, exit }) => {
        if (streams.kind !== "pipes") return {};
        const stdout = new PassThrough();
        exit.then(
          () => streams.stdout.pipe(stdout),
          () => stdout.end(),
        );
        return { streams: { ...streams, stdout } };
      }),
  },
];
