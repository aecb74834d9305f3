import type { Driver } from "@pileus/core";
import type {
  Backend,
  BackendConsole,
  BackendProcess,
  ExecRequest,
  FileOperations,
  Running,
} from "@pileus/core/driver";

/** `target`, with some of its members in the place of its own. */
export function instead<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(of, key) {
      if (Object.hasOwn(members, key)) return Reflect.get(members, key);
      const value: unknown = Reflect.get(of, key);
      return typeof value === "function" ? value.bind(of) : value;
    },
    has: (of, key) => Reflect.has(members, key) || Reflect.has(of, key),
  });
}

type Whole = Driver;
type Change<T> = (good: T) => Partial<T>;

export function withBackend(driver: Whole, change: Change<Backend>): Whole {
  return {
    ...driver,
    open: (context) => {
      const backend = driver.open(context);
      return instead(backend, change(backend));
    },
  };
}

export function withRunning(driver: Whole, change: Change<Running>): Whole {
  const changed = <R extends Running | undefined>(running: R): R =>
    (running === undefined ? running : instead(running as Running, change(running as Running))) as R;
  return withBackend(driver, (backend) => ({
    launch: async (instance, options) => changed(await backend.launch(instance, options)),
    adopt: async (instance, options) => changed(await backend.adopt(instance, options)),
  }));
}

export function withRequest(driver: Whole, change: (request: ExecRequest) => ExecRequest): Whole {
  return withRunning(driver, (running) => ({
    exec: (request, options) => running.exec(change(request), options),
  }));
}

export function withProcess(driver: Whole, change: Change<BackendProcess>): Whole {
  return withRunning(driver, (running) => ({
    exec: async (request, options) => {
      const process = await running.exec(request, options);
      return instead(process, change(process));
    },
  }));
}

export function withConsole(driver: Whole, change: Change<BackendConsole>): Whole {
  return withRunning(driver, (running) => ({
    console: async (options) => {
      const console = await running.console(options);
      return instead(console, change(console));
    },
  }));
}

export function withFiles(driver: Whole, change: Change<FileOperations>): Whole {
  return withRunning(driver, (running) => ({ files: instead(running.files, change(running.files)) }));
}
