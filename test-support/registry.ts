import { type ChildProcess, spawn as start } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { cacheFolder } from "../scripts/setup/folders.mjs";

/** Our own docker-registry on 127.0.0.1. Disposing stops it and removes its storage. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** The folder of its blobs. */
  readonly folder: string;
}

/**
 * The registry's program, unpacked from Debian's package. It is not installed, because the package would start a
 * service.
 */
async function registryProgram(signal: AbortSignal | undefined): Promise<string> {
  const folder = join(cacheFolder(), "docker-registry");
  const program = join(folder, "usr/bin/docker-registry");
  if (existsSync(program)) return program;
  await mkdir(cacheFolder(), { recursive: true });
  const draft = await mkdtemp(join(cacheFolder(), "docker-registry-"));
  try {
    await spawn(
      ["sh", "-ec", 'apt-get -q download docker-registry >&2; dpkg-deb -x docker-registry_*.deb "$0/tree"', draft],
      {
        cwd: draft,
        env: { ...(process.env as Record<string, string>), LC_ALL: "C.UTF-8" },
        signal,
      },
    );
    if (!existsSync(program)) await rename(join(draft, "tree"), folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return program;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port for the registry");
  return address.port;
}

/** TLS files in PEM. */
export interface RegistryTls {
  readonly certificate: string;
  readonly key: string;
}

export async function startRegistry(
  options: { readonly tls?: RegistryTls; readonly signal?: AbortSignal } = {},
): Promise<Registry> {
  const program = await registryProgram(options.signal);
  const folder = await mkdtemp(join(tmpdir(), "pileus-registry-"));
  const address = `127.0.0.1:${await freePort()}`;
  const config = {
    version: "0.1",
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: join(folder, "blobs") }, delete: { enabled: true } },
    http: { addr: address, ...(options.tls ? { tls: options.tls } : {}) },
  };
  const file = join(folder, "config.json");
  // YAML 1.2 is a superset of JSON.
  await writeFile(file, JSON.stringify(config));
  const child = start(program, ["serve", file], { stdio: ["ignore", "ignore", "pipe"] });
  await listening(child, address);
  return {
    address,
    folder,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the registry reports on stderr that it listens. */
async function listening(child: ChildProcess, address: string): Promise<void> {
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`docker-registry ended with ${code}: ${text.slice(-2000)}`)));
    child.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(`listening on ${address}`)) resolve();
    });
  });
  child.stderr?.removeAllListeners("data");
  child.stderr?.resume();
}
