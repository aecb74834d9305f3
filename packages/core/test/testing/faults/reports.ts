import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { withBackend, withConsole, withRunning } from "../broken.ts";
import type { Fault } from "./fault.ts";

const STREAMS = "logs > have the streams of this kind of instance, and reject with UnsupportedError for the others";

/** Of logs and metrics. */
const FIGURES = { cpu: { seconds: 1 }, memory: { bytes: 1 } };
const NONE = { bytes: 0, packets: 0, errors: 0, dropped: 0 };

export const REPORT_FAULTS: readonly Fault[] = [
  {
    what: "keeps the log of the run before",
    seenBy: ["logs > have what it printed since its last start, while it runs and after"],
    broken: (driver) =>
      withBackend(driver, (backend) => ({
        launch: async (instance, options) => {
          const running = await backend.launch(instance, options);
          const log = join(instance.log, "output.log");
          const told = readFileSync(log, "utf8").replaceAll(/.* keeper F start\n/g, "");
          writeFileSync(log, told);
          return running;
        },
      })),
  },
  {
    what: "gives its console out for streams that it does not have",
    seenBy: [STREAMS],
    broken: (driver) =>
      withBackend(driver, () => ({
        logs: ({ log }) => {
          const console = join(log, "output.log");
          return { console, stdout: console, stderr: console };
        },
      })),
  },
  {
    what: "has no logs of a stream that its kind has",
    seenBy: [STREAMS],
    broken: (driver) => withBackend(driver, () => ({ logs: () => ({}) })),
  },
  {
    what: "keeps no times in its log",
    seenBy: ["printed by a running instance, the log > tells the time of each line, and begins at a moment"],
    broken: (driver) => withBackend(driver, () => ({ logs: ({ log }) => ({ console: join(log, "output.log") }) })),
  },
  {
    what: "lets everybody write to a console",
    seenBy: ["the console > has one writer: another is told who, and takes over if it is asked to"],
    broken: (driver) =>
      withConsole(driver, () => ({ claim: async () => ({ granted: true, pid: process.pid, since: Date.now() }) })),
  },
  {
    what: "forgets what was printed to a console before it was opened",
    seenBy: ["the console > begins with what was printed, and goes on for all readers"],
    broken: (driver) =>
      withConsole(driver, ({ output }) => {
        output.read();
        return {};
      }),
  },
  {
    what: "never ends a console",
    seenBy: ["the console > ends with the run, and can only be opened while it goes on"],
    broken: (driver) => withConsole(driver, () => ({ output: new PassThrough() })),
  },
  {
    what: "has no addresses",
    seenBy: ["addresses > are those of each nic, without loopback and link-local ones"],
    broken: (driver) => withRunning(driver, () => ({ addresses: async () => [] })),
  },
  {
    what: "has counters that stand still",
    seenBy: ["metrics > count upwards while it runs, and need it to run"],
    broken: (driver) =>
      withRunning(driver, () => ({ metrics: async () => ({ cpu: { seconds: 1 }, memory: { bytes: 1 } }) })),
  },
  {
    what: "tells traffic of a nic that is not there",
    seenBy: ["metrics > have what went through each nic and to each disk, and never count downwards"],
    broken: (driver) =>
      withRunning(driver, () => ({
        metrics: async () => ({ ...FIGURES, network: { eth9: { received: NONE, sent: NONE } } }),
      })),
  },
  {
    what: "tells what was written in the last moment",
    seenBy: ["metrics > have what went through each nic and to each disk, and never count downwards"],
    broken: (driver) => {
      let written = 1e6;
      return withRunning(driver, () => ({
        metrics: async () => ({ ...FIGURES, disk: { root: { read: 0, written: written-- } } }),
      }));
    },
  },
  {
    what: "measures processor time in nanoseconds",
    seenBy: ["metrics > count upwards while it runs, and need it to run"],
    broken: (driver) => {
      let nanoseconds = 1e9;
      return withRunning(driver, () => ({
        metrics: async () => ({ cpu: { seconds: nanoseconds++ }, memory: { bytes: 1 } }),
      }));
    },
  },
  {
    what: "measures backwards",
    seenBy: ["metrics > count upwards while it runs, and need it to run"],
    broken: (driver) => {
      let looks = 1;
      return withRunning(driver, () => ({
        metrics: async () => ({ cpu: { seconds: 1 / looks++ }, memory: { bytes: 1 } }),
      }));
    },
  },
];
