import { Readable } from "node:stream";
import { withBackend, withRunning } from "../broken.ts";
import type { Fault } from "./fault.ts";

const STREAMS = "logs > have the streams of this kind of instance, and reject with UnsupportedError for the others";

/** Of logs and metrics. */
export const REPORT_FAULTS: readonly Fault[] = [
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
