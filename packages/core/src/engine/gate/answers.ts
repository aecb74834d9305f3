// Checks of a driver's answers, as far as the engine relies on their shape.

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isFunction = (value: unknown): boolean => typeof value === "function";
const isPromise = (value: unknown): boolean => isObject(value) && isFunction(value["then"]);
const isCount = (value: unknown): boolean => typeof value === "number" && value >= 0;

const isStream = (value: unknown, direction: "write" | "pipe"): boolean =>
  isObject(value) && isFunction(value[direction]) && isFunction(value["destroy"]) && isFunction(value["on"]);

export const isAnything = (_: unknown): boolean => true;
const isChange = (value: unknown): boolean =>
  isObject(value) &&
  typeof value["path"] === "string" &&
  ["live", "next-start", "unsupported"].includes(value["effect"] as string) &&
  isReason(value["reason"]);
export const isPlan = (value: unknown): boolean =>
  isObject(value) && Array.isArray(value["changes"]) && value["changes"].every(isChange);
export const isReason = (value: unknown): boolean => value === undefined || typeof value === "string";
export const isBoolean = (value: unknown): boolean => typeof value === "boolean";
export const isBooleanOrNone = (value: unknown): boolean => value === undefined || typeof value === "boolean";
const isIdmapLine = (value: unknown): boolean =>
  isObject(value) &&
  ["uid", "gid", "both"].includes(value["of"] as string) &&
  [value["inside"], value["outside"], value["count"]].every((id) => Number.isInteger(id) && (id as number) > 0);
export const isIdmapRequestOrNone = (value: unknown): boolean =>
  value === undefined ||
  (isObject(value) &&
    (value["mode"] === "isolated" || value["mode"] === "shared") &&
    [undefined, "root", "process"].includes(value["use"] as undefined) &&
    Array.isArray(value["path"]) &&
    (value["extra"] === undefined || (Array.isArray(value["extra"]) && value["extra"].every(isIdmapLine))) &&
    [value["count"], value["base"] ?? 0].every((id) => Number.isInteger(id) && isCount(id)));
export const isPlainLogs = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((path) => typeof path === "string");
export const isList = (value: unknown): boolean => Array.isArray(value);
export const isReadable = (value: unknown): boolean => isStream(value, "pipe");

export const isRunning = (value: unknown): boolean =>
  isObject(value) &&
  isPromise(value["exited"]) &&
  ["kill", "shutdown", "detach"].every((method) => isFunction(value[method]));

export const isRunningOrNone = (value: unknown): boolean => value === undefined || isRunning(value);

export const isExitStatusOrNone = (value: unknown): boolean =>
  value === undefined || (isObject(value) && (value["kind"] === "exited" || value["kind"] === "signaled"));

export const isReceiver = (value: unknown): boolean =>
  isObject(value) && isStream(value["stream"], "write") && isPromise(value["done"]);

/** A program on a terminal if `terminal`, else on three pipes. */
export const isProcess =
  (terminal: boolean) =>
  (value: unknown): boolean => {
    if (!isObject(value) || !isPromise(value["exit"]) || !isFunction(value["kill"])) return false;
    const { streams } = value;
    if (!isObject(streams)) return false;
    if (terminal)
      return streams["kind"] === "tty" && isStream(streams["tty"], "pipe") && isStream(streams["tty"], "write");
    return (
      streams["kind"] === "pipes" &&
      isStream(streams["stdin"], "write") &&
      isStream(streams["stdout"], "pipe") &&
      isStream(streams["stderr"], "pipe")
    );
  };

export const isConsole = (value: unknown): boolean =>
  isObject(value) &&
  isStream(value["output"], "pipe") &&
  ["claim", "write", "release", "resize", "onTaken"].every((method) => isFunction(value[method]));

export const isDetachedInfo = (value: unknown): boolean =>
  isObject(value) &&
  typeof value["id"] === "string" &&
  Array.isArray(value["argv"]) &&
  isCount(value["startedAt"]) &&
  ["running", "ended", "lost"].includes(value["state"] as string);

export const isDetachedList = (value: unknown): boolean => Array.isArray(value) && value.every(isDetachedInfo);

export const isDetachedProgramOrNone = (value: unknown): boolean =>
  value === undefined ||
  (isObject(value) &&
    isDetachedInfo(value["info"]) &&
    isPromise(value["exit"]) &&
    ["output", "kill", "release"].every((method) => isFunction(value[method])));

export const isAsyncIterable = (value: unknown): boolean =>
  typeof value === "object" && value !== null && isFunction((value as AsyncIterable<unknown>)[Symbol.asyncIterator]);

export const isFileStat = (value: unknown): boolean =>
  isObject(value) && typeof value["type"] === "string" && isCount(value["size"]);

export const isOwner = (value: unknown): boolean => isObject(value) && isCount(value["uid"]) && isCount(value["gid"]);

export const isDirectoryEntry = (value: unknown): boolean =>
  isFileStat(value) && isObject(value) && typeof value["name"] === "string";

export const isMetrics = (value: unknown): boolean => {
  if (!isObject(value)) return false;
  const { cpu, memory } = value;
  if (!isObject(cpu) || !isCount(cpu["seconds"]) || !isObject(memory) || !isCount(memory["bytes"])) return false;
  const { network, disk } = value;
  return (
    ["limitBytes", "swapBytes", "oomKills"].every((key) => isCountOrNone(memory[key])) &&
    isRecordOf(network, (nic) => isRecordOf(nic, (direction) => isRecordOf(direction, isCount))) &&
    isRecordOf(disk, (one) => isRecordOf(one, isCount))
  );
};

const isCountOrNone = (value: unknown): boolean => value === undefined || isCount(value);

const isRecordOf = (value: unknown, isEntry: (entry: unknown) => boolean): boolean =>
  value === undefined || (isObject(value) && Object.values(value).every(isEntry));
