/** An application that uses Pileus: it has a network and an instance of each driver, makes what is missing, and waits. */
import { type ChildProcess, spawn } from "node:child_process";
import { on } from "node:events";
import { existsSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Deadline } from "@pileus/core/driver";
import { config, DRIVERS, FACTOR, image, NETWORK, open, sh } from "./host.ts";

const PROGRAM = fileURLToPath(import.meta.url);
/** The command that runs it. */
export const COMMAND = `${process.execPath} ${PROGRAM}`;
/** The file that it writes: its process id when everything runs, or its exit code if it ends before. */
const UP = "/run/application.up";

export const nameOf = (driver: string): string => `application-${driver}`;

/** Starts the application by `start`, and waits until everything of the application runs. Returns its process id. */
export async function untilUp(start: () => unknown): Promise<number> {
  rmSync(UP, { force: true });
  using deadline = new Deadline({ action: "start of the application", timeout: 120_000 * FACTOR });
  const watcher = watch(dirname(UP));
  try {
    const changes = on(watcher, "change", { signal: deadline.signal });
    start();
    while (!existsSync(UP)) await changes.next();
  } finally {
    watcher.close();
  }
  const told = readFileSync(UP, "utf8");
  if (!/^\d+$/.test(told)) throw new Error(`the application is not up: ${told}`);
  return Number(told);
}

/** Starts it by a shell command that talks to systemd, as {@link untilUp}. */
export const runUnit = (command: string): Promise<number> => untilUp(() => sh(command));

/** Starts it as a child of this process, as {@link untilUp}. Returns the child, and the id of the application. */
export async function runApplication(argv: readonly string[] = COMMAND.split(" ")) {
  const [file = "", ...rest] = argv;
  const started: ChildProcess[] = [];
  const pid = await untilUp(() => started.push(spawn(file, rest, { stdio: "inherit" })));
  return { child: started[0] as ChildProcess, pid };
}

/** Writes the file that {@link untilUp} waits for. */
export function tell(word: string): void {
  writeFileSync(`${UP}.draft`, word);
  renameSync(`${UP}.draft`, UP);
}

if (process.argv[1] === PROGRAM) {
  let up = false;
  process.on("exit", (code) => up || tell(`exit ${code}`));
  const host = await open();
  await host.networks.create(NETWORK);
  for (const driver of DRIVERS) {
    const name = nameOf(driver);
    const known = (await host.list()).some((info) => info.name === name);
    if (!known) await image(host.images, driver);
    const instance = await (known ? host.get(name) : host.create(config(driver, name)));
    await instance.start();
    await instance.ready({ timeout: Number.POSITIVE_INFINITY });
    if (!known) await instance.files.writeText("/root/kept", driver);
  }
  up = true;
  tell(String(process.pid));
  setInterval(() => undefined, 2 ** 30);
}
