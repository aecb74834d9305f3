import { createReadStream, readdirSync, statSync } from "node:fs";
import { PassThrough, Readable, Writable } from "node:stream";
import type { Driver, ExitStatus } from "@pileus/core";
import type { BackendProcess } from "@pileus/core/driver";
import { describeDriver, FakeWorld, fake } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { withBackend, withFiles, withProcess, withRequest, withRunning } from "./broken.ts";
import { CollectingRunner } from "./collect.ts";
import { fakeSubject } from "./fake-subject.ts";

/** A fault of a driver, and the tests that must see it. */
interface Fault {
  readonly what: string;
  readonly seenBy: readonly string[];
  readonly broken: (driver: Driver, world: FakeWorld) => Driver;
  /** Tests that the others need to have run, which pass. */
  readonly after?: readonly string[];
}

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

const STREAMS = "logs > have the streams of this kind of instance, and reject with UnsupportedError for the others";

const FAULTS: readonly Fault[] = [
  {
    what: "loses the exit code",
    seenBy: ["run > returns the exit code", "exec on a terminal > keeps the exit code"],
    broken: (driver) => withExit(driver, (exit) => (exit.kind === "exited" ? { kind: "exited", code: 0 } : exit)),
  },
  {
    what: "tells a signal as a shell would",
    seenBy: ["run > tells a program that ended by SIGTERM", "exec on pipes > ends a program by SIGKILL"],
    broken: (driver) =>
      withExit(driver, (exit) =>
        exit.kind === "signaled" ? { kind: "exited", code: 128 + (numbers[exit.signal] ?? 0) } : exit,
      ),
  },
  {
    what: "takes exit code 143 for SIGTERM",
    seenBy: ["run > tells exit code 143 from an end by SIGTERM"],
    broken: (driver) =>
      withExit(driver, (exit) =>
        exit.kind === "exited" && exit.code === 143 ? { kind: "signaled", signal: "SIGTERM" } : exit,
      ),
  },
  {
    what: "merges stderr into stdout",
    seenBy: [
      "run > keeps stdout and stderr apart",
      "exec on pipes > keeps what was printed before the end for a reader who comes late",
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
    seenBy: ["run > closes stdin at once when there is none to feed"],
    broken: (driver) =>
      withPipes(driver, ({ stdin }) => ({
        stdin: new Writable({ write: (chunk, _encoding, done) => void stdin.write(chunk, done) }),
      })),
  },
  {
    what: "lets the host's environment in",
    seenBy: ["run > lets nothing of the host's environment in"],
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
    what: "does not resize",
    seenBy: ["exec on a terminal > is resized"],
    broken: (driver) => withProcess(driver, () => ({ resize: async () => undefined })),
  },
  {
    what: "gives every terminal one size",
    seenBy: ["exec on a terminal > has the size that was asked for"],
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
    what: "reads all output into memory",
    seenBy: ["exec on pipes > holds a program back whose output nobody reads, and loses nothing of it"],
    broken: (driver) =>
      withPipes(driver, ({ stdout }) => {
        const all = new PassThrough({ highWaterMark: 2 ** 30 });
        stdout.pipe(all);
        return { stdout: all };
      }),
  },
  {
    what: "ignores being asked to stop",
    seenBy: ["stop > asks for an orderly end, and is a no-op while stopped"],
    broken: (driver) => withRunning(driver, () => ({ shutdown: async () => undefined })),
  },
  {
    what: "ends when asked, and says that it was lost in between",
    seenBy: ["handles > of a host that is disposed leave everything running for the next"],
    broken: (driver) => withRunning(driver, (running) => ({ detach: () => running.kill() })),
  },
  {
    what: "fails instead of telling the end",
    seenBy: ["stop > asks for an orderly end, and is a no-op while stopped"],
    broken: (driver) =>
      withRunning(driver, ({ exited }) => ({
        exited: exited.then(() => Promise.reject(new Error("nobody knows"))),
      })),
  },
  {
    what: "does not freeze",
    seenBy: ["freeze > holds programs where they stand, and lets them go on"],
    broken: (driver) => withRunning(driver, () => ({ freeze: async () => undefined, unfreeze: async () => undefined })),
  },
  {
    what: "leaves something behind when deleted",
    seenBy: [
      "an abort > of a create leaves nothing, whenever it comes",
      "after its process was killed, another host on the folder > leaves nothing of any instance, once all are deleted",
    ],
    broken: (driver) => withBackend(driver, () => ({ remove: async () => undefined })),
  },
  {
    what: "finds nothing again",
    seenBy: [
      "after its process was killed, another host on the folder > finds every instance in the state in which it was",
    ],
    broken: (driver) => withBackend(driver, () => ({ adopt: async () => undefined })),
  },
  {
    what: "finds again what is frozen as running",
    seenBy: [
      "after its process was killed, another host on the folder > finds every instance in the state in which it was",
    ],
    broken: (driver) => withRunning(driver, () => ({ isFrozen: async () => false })),
  },
  {
    what: "loses its files at each start",
    seenBy: ["what an instance holds > keeps its files over a stop, forced or not"],
    broken: (driver) =>
      withBackend(driver, (backend) => ({
        launch: async (instance, options) => {
          await backend.materialize(instance, options);
          return backend.launch(instance, options);
        },
      })),
  },
  {
    what: "writes in place, as the bytes come",
    seenBy: ["files > leaves the old content and no temporary file when the source fails"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: async (path, options) => {
          const stream = new Writable({
            write: (chunk: Buffer, _encoding, done) =>
              void files.write(path, options).then((part) => {
                part.stream.end(chunk);
                void part.done.then(() => done(), done);
              }),
          });
          const done = new Promise<void>((resolve) => stream.once("close", resolve));
          stream.on("error", () => undefined);
          return { stream, done };
        },
      })),
  },
  {
    what: "ignores owners and modes",
    seenBy: ["files > gives a file and a folder the owner and mode that were asked for"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: (path, { signal }) => files.write(path, { signal }),
        mkdir: (path, { signal, recursive }) => files.mkdir(path, { signal, recursive }),
      })),
  },
  {
    what: "calls every failure ENOENT's neighbour",
    seenBy: ["files > names what is wrong as the system does"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) => await files.list(path, options).catch(() => []),
      })),
  },
  {
    what: "lets paths of the host be read through symlinks",
    seenBy: ["symlinks inside > cannot lead outside, whether absolute or relative"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        read: async (path, options) => {
          const link = await files.stat(path, options).catch(() => undefined);
          return link?.target?.startsWith("/tmp/") ? createReadStream(link.target) : files.read(path, options);
        },
      })),
  },
  {
    what: "lists a folder of the host through a symlink",
    seenBy: ["symlinks inside > cannot lead outside, whether absolute or relative"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) => {
          const link = await files.stat(path, options).catch(() => undefined);
          if (!link?.target?.startsWith("/tmp/") || !statSync(link.target).isDirectory())
            return files.list(path, options);
          return readdirSync(link.target).map((name) => ({ name, ...link }));
        },
      })),
  },
  {
    what: "follows a symlink in stat",
    seenBy: ["symlinks inside > are told apart by stat and list, and followed by read"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        stat: async (path, options) => {
          const { target, ...rest } = await files.stat(path, options);
          return target === undefined ? rest : { ...rest, type: "file" };
        },
      })),
  },
  {
    what: "keeps the log of the run before",
    seenBy: ["logs > have what it printed since its last start, while it runs and after"],
    broken: (driver, world) =>
      withBackend(driver, (backend) => ({
        launch: async (instance, options) => {
          const before = world.disks.get(instance.uuid)?.log ?? "";
          const running = await backend.launch(instance, options);
          const disk = world.disks.get(instance.uuid);
          if (disk !== undefined) disk.log = before + disk.log;
          return running;
        },
      })),
  },
  {
    what: "gives its console out for streams that it does not have",
    seenBy: [STREAMS],
    broken: (driver) =>
      withBackend(driver, (backend) => ({
        logs: async (instance, _stream, options) => backend.logs?.(instance, "console", options) ?? Readable.from([]),
      })),
  },
  {
    what: "has no logs of a stream that its kind has",
    seenBy: [STREAMS],
    broken: (driver) => ({ ...driver, kind: "application-container" }),
  },
  {
    what: "measures backwards",
    seenBy: ["metrics > count upwards while it runs, and need it to run"],
    broken: (driver) => {
      let usage = 1e12;
      return withRunning(driver, () => ({
        metrics: async () => ({ cpu: { usage: usage-- }, memory: { usage: 1 } }),
      }));
    },
  },
];

// The slowest faults are those that hang until the kit's own deadline.
const DEADLINE = 400;

async function failuresOf(
  driver: Driver,
  world: FakeWorld,
  names: readonly string[],
  { capabilities = driver.capabilities, deadline = DEADLINE } = {},
) {
  const runner = new CollectingRunner();
  describeDriver(runner, { ...fakeSubject(world, driver, [...capabilities]), deadline });
  for (const name of names) expect(runner.tests.map((test) => test.name).join("\n")).toContain(name);
  return runner.run(names);
}

describe.concurrent("the kit notices a driver that", () => {
  for (const { what, seenBy, broken } of FAULTS) {
    it(what, async () => {
      const world = new FakeWorld();
      const failures = await failuresOf(broken(fake({ world }), world), world, seenBy);
      expect([...failures.keys()].sort()).toEqual([...seenBy].sort());
    });
  }

  it("has a capability that it does not declare, or lacks one that it should have", async () => {
    const world = new FakeWorld();
    const name = "capabilities > are those that the driver declares";
    expect((await failuresOf(fake({ world }), world, [name], { capabilities: new Set(["exec"]) })).size).toBe(1);
    const narrow = fake({ world, capabilities: ["exec"] }) as unknown as Driver;
    expect((await failuresOf(narrow, world, [name], { capabilities: new Set(["exec", "files"]) })).size).toBe(1);
  });

  it("has none of these faults, by passing", async () => {
    const world = new FakeWorld();
    const names = [...new Set(FAULTS.flatMap(({ seenBy }) => seenBy))];
    // With the deadline of a real run: a driver without faults must never be hurried into one.
    expect(await failuresOf(fake({ world }), world, names, { deadline: 10_000 })).toEqual(new Map());
  });
});
