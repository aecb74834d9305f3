import type { AnyDriver } from "../contract/backend.ts";
import { ConnectionError } from "../errors/all.ts";

/**
 * The driver, but on its hosts nothing can be found out about instances that run: as in a process that lacks a tool or
 * a right, or finds every monitor of a machine taken. For {@link DriverSubject.openBlind}.
 */
export function blinded(driver: AnyDriver): AnyDriver {
  return {
    ...driver,
    open: (context) => {
      const backend = driver.open(context);
      const adopt = async ({ name }: { readonly name: string }) => {
        throw new ConnectionError(name, "this process is blind");
      };
      return new Proxy(backend, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key);
          if (key === "adopt") return adopt;
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}
