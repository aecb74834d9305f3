import type { AnyDriver } from "../contract/backend.ts";

/** Where a driver of {@link hanging} never answers: after a launch or a freeze is done, and before it adopts a run. */
export type HangStep = "launch" | "adopt" | "freeze";

/**
 * The driver, but on its hosts one step never answers: as with a monitor that is stopped, or a device that the kernel
 * waits for. `arrived` is called each time the step was reached. For {@link DriverSubject.openHanging}.
 */
export function hanging(driver: AnyDriver, step: HangStep, arrived: () => void): AnyDriver {
  const never = (): Promise<never> => {
    arrived();
    return new Promise(() => undefined);
  };
  const replaced = {
    launch:
      (launch) =>
      async (...args) => {
        const running = await launch(...args);
        return step === "launch" ? never() : hangingRun(running);
      },
    adopt:
      (adopt) =>
      async (...args) =>
        step === "adopt" ? never() : hangingRun(await adopt(...args)),
  } satisfies Record<string, Wrap>;
  const hangingRun = (running: unknown) =>
    step === "freeze" && running !== undefined
      ? wrapped(running as object, {
          freeze:
            (freeze) =>
            (...args) =>
              freeze(...args).then(never),
        })
      : running;
  return { ...driver, open: (context) => wrapped(driver.open(context), replaced) };
}

type Call = (...args: unknown[]) => Promise<unknown>;
type Wrap = (original: Call) => Call;

/** An object with some of its methods wrapped; the others have the object itself as `this`. */
function wrapped<T extends object>(target: T, wraps: Readonly<Record<string, Wrap>>): T {
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      const bound = value.bind(target) as Call;
      return typeof key === "string" && Object.hasOwn(wraps, key) ? wraps[key]?.(bound) : bound;
    },
  });
}
