import { withBackend, withRequest, withRunning } from "../broken.ts";
import type { Fault } from "./fault.ts";

/** Of what starts, stops, freezes, deletes and finds again. */
export const LIFECYCLE_FAULTS: readonly Fault[] = [
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
    what: "reports a lost connection, but never the end",
    seenBy: ["an instance that ends by itself > rejects the calls under way with a StateError that says how it ended"],
    broken: (driver) => withRunning(driver, () => ({ exited: new Promise(() => undefined) })),
  },
  {
    what: "reports only an end that its own host requested",
    seenBy: [
      "beside another host in this process > learns of a stop that it requested, and both report the same end",
      "beside another host in this process > learns of the end of a run that it replaced by the next, and ends that one itself",
    ],
    broken: (driver) =>
      withRunning(driver, (running) => {
        let own = false;
        const exited = running.exited.then((status) => (own ? status : new Promise<never>(() => undefined)));
        return {
          exited,
          kill: () => {
            own = true;
            return running.kill();
          },
        };
      }),
  },
  {
    what: "starts without a main program",
    seenBy: ["start > rejects with a NotFoundError that names a missing main program"],
    broken: (driver) =>
      withBackend(driver, (backend) => ({
        launch: (instance, options) =>
          backend.launch({ ...instance, config: { ...instance.config, fake: { stubborn: false } } }, options),
      })),
  },
  {
    what: "leaves the clock behind",
    seenBy: ["freeze > leaves the clock right after the thaw"],
    broken: (driver) =>
      withRequest(driver, (request) => (request.argv[0] === "date" ? { ...request, argv: ["echo", "1000"] } : request)),
  },
  {
    what: "does not freeze",
    seenBy: ["freeze > suspends programs, and resumes them"],
    broken: (driver) => withRunning(driver, () => ({ freeze: async () => undefined, unfreeze: async () => undefined })),
  },
  {
    what: "does not kill what is frozen before it is thawed",
    seenBy: ["stop > kills a frozen instance"],
    broken: (driver) =>
      withRunning(driver, (running) => ({
        kill: async () => {
          if (await running.isFrozen?.({})) throw new Error("it takes no signal");
          await running.kill();
        },
      })),
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
    seenBy: ["after its process was killed, another host on the folder > finds every instance in its previous state"],
    broken: (driver) => withBackend(driver, () => ({ adopt: async () => undefined })),
  },
  {
    what: "finds again what is frozen as running",
    seenBy: ["after its process was killed, another host on the folder > finds every instance in its previous state"],
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
];
