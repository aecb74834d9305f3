/** An application that uses Pileus: it has a network and an instance of each driver, makes what is missing, and waits. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { config, DRIVERS, image, NETWORK, open, until } from "./host.ts";

const PROGRAM = fileURLToPath(import.meta.url);
/** The command that runs it. */
export const COMMAND = `${process.execPath} ${PROGRAM}`;
/** The file that it writes when everything runs: its process id. */
export const UP = "/run/application.up";

export const nameOf = (driver: string): string => `application-${driver}`;

/** Calls `start`, and waits until everything of the application runs. */
export async function untilUp(start: () => void, isThere: () => boolean): Promise<void> {
  rmSync(UP, { force: true });
  start();
  await until("the application is up", () => existsSync(UP) || !isThere());
  if (!existsSync(UP)) throw new Error("the application has ended");
}

/** Runs it as a process of this one, until everything runs. */
export async function runApplication(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM], { stdio: "inherit" });
  await untilUp(
    () => undefined,
    () => child.exitCode === null,
  );
  return child;
}

if (process.argv[1] === PROGRAM) {
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
  writeFileSync(UP, String(process.pid));
  setInterval(() => undefined, 2 ** 30);
}
