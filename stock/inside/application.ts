/** An application that uses Pileus: it has a network and an instance of each driver, makes what is missing, and waits. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { config, DRIVERS, image, NETWORK, open, sh, until } from "./host.ts";

const PROGRAM = fileURLToPath(import.meta.url);
/** The command that runs it. */
export const COMMAND = `${process.execPath} ${PROGRAM}`;
/** The file that it writes when everything runs: its process id. */
export const UP = "/run/application.up";

export const nameOf = (driver: string): string => `application-${driver}`;

/** Waits until everything of the application runs. `isThere`: whether its process has not ended. */
async function untilUp(isThere: () => boolean): Promise<void> {
  await until("the application is up", () => existsSync(UP) || !isThere());
  if (!existsSync(UP)) throw new Error("the application has ended");
}

/** Has systemd run it, by a shell command, as the unit `application`, until everything runs. */
export async function runUnit(command: string): Promise<void> {
  rmSync(UP, { force: true });
  sh(command);
  await untilUp(isActive);
}

export const isActive = (): boolean => sh("systemctl is-active application || true") === "active";

/** Runs it by a command of this process, until everything runs. */
export async function runApplication(argv: readonly string[] = COMMAND.split(" ")): Promise<ChildProcess> {
  rmSync(UP, { force: true });
  const [file = "", ...rest] = argv;
  const child = spawn(file, rest, { stdio: "inherit" });
  await untilUp(() => child.exitCode === null);
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
