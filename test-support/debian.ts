import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { HostError } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { cacheFolder } from "../scripts/setup/folders.mjs";

const SUITE = "bookworm";
/** What systemd needs to boot, a user of a shell needs, and redis's libraries need. */
const PACKAGES = ["systemd", "systemd-sysv", "dbus", "udev", "iproute2", "ca-certificates"];

const NO_ROOT = { need: "root", reason: "its files belong to several users", fix: "run as root" };

/**
 * The tar of a small Debian with systemd, bootstrapped once into the cache. The quickstart's three instances and the
 * root tests use this one file.
 */
export async function debianTar(say: (line: string) => void = () => {}, signal?: AbortSignal): Promise<string> {
  const folder = join(cacheFolder(), "images");
  const file = join(folder, `debian-${SUITE}-v1.tar`);
  if (existsSync(file)) return file;
  if (process.geteuid?.() !== 0) throw new HostError("bootstrap a Debian", [NO_ROOT]);
  await mkdir(folder, { recursive: true });
  const draft = `${file}.${process.pid}.tar`;
  say(`bootstrapping Debian ${SUITE} with mmdebstrap (about half a minute, once)`);
  try {
    await spawn(["mmdebstrap", "--variant=minbase", `--include=${PACKAGES.join(",")}`, SUITE, draft], {
      env: { ...(process.env as Record<string, string>), LC_ALL: "C.UTF-8" },
      fromPackage: "mmdebstrap",
      signal,
    });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return file;
}
