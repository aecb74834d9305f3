import { chmodSync, chownSync, closeSync, writeFileSync } from "node:fs";
import { listenUnix, makeFolders, mountMemory } from "@pileus/core/driver";
import type { ConfigEntry } from "./config/render.ts";
import { encodeConfinement, SYSTEM_CONFINEMENT } from "./confinement.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { INIT_HELPER } from "./helpers.ts";
import { encodeInitOrder } from "./init-order.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

/**
 * The paths inside of the helper and of the socket of its keeper: on the container's own /dev. The helper removes both.
 */
const INSIDE = { helper: "/dev/.pileus-init", announce: "/dev/.pileus-announce" } as const;

/** What liblxc executes: the helper of helper/init-helper.c, which becomes the user and then does what its role requires. */
export const INIT_ARGV: readonly string[] = [INSIDE.helper, INSIDE.announce];

export function initHelperMounts(spec: PlacedSpec): readonly ConfigEntry[] {
  const { initHelper, announce } = containerPaths(spec);
  return [
    ["lxc.mount.entry", `${initHelper} ${INSIDE.helper.slice(1)} none bind,ro,create=file 0 0`],
    ["lxc.mount.entry", `${announce} ${INSIDE.announce.slice(1)} none bind,create=file 0 0`],
  ];
}

/** Makes the place of what PID 1 needs at its start. */
export function makeInitFolder(spec: PlacedSpec): void {
  const { init } = containerPaths(spec);
  makeFolders(init, 0o711);
  mountMemory(init, 0o711);
}

/**
 * Writes what PID 1 needs at its start, and what the run's `exec` calls need to give their programs the same rights.
 *
 * @throws {UnsupportedError} on an architecture for which there is no helper
 */
export function writeInitHelper(spec: PlacedSpec & Pick<ContainerSpec, "confinement" | "init" | "output">): void {
  const { initHelper, confinement: file } = containerPaths(spec);
  const confinement = encodeConfinement(spec.confinement ?? SYSTEM_CONFINEMENT);
  writeFileSync(initHelper, initHelperFile(confinement, spec));
  writeFileSync(file, confinement, { mode: 0o600 });
  chmodSync(initHelper, 0o555);
}

/** The listening socket to which each PID 1 comes, which the root inside may reach. The caller closes it. */
export function listenForInit(spec: PlacedSpec): number {
  const { announce } = containerPaths(spec);
  const socket = listenUnix(announce);
  try {
    const root = spec.idmap?.base ?? 0;
    chownSync(announce, root, root);
    return socket;
  } catch (error) {
    closeSync(socket);
    throw error;
  }
}

/** The helper, followed by what it enforces and what it becomes: helper/init-helper.c, read_orders(). */
export function initHelperFile(confinement: Buffer, spec: Pick<ContainerSpec, "init" | "output">): Buffer {
  const order = encodeInitOrder(spec);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(confinement.length + order.length);
  return Buffer.concat([INIT_HELPER.content(), confinement, order, length]);
}
