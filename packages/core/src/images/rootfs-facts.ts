import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { ImageError } from "../errors/all.ts";
import type { Architecture } from "../model/image.ts";
import { type LayerFolder, LowerLayers } from "./layer/lower-layers.ts";

/** Facts that a tree states about itself. A fact that it does not state is absent. */
export interface RootfsFacts {
  readonly architecture?: Architecture | undefined;
  /** `ID` of os-release(5). */
  readonly os?: string | undefined;
  /** `VERSION_CODENAME`, else `VERSION_ID`. */
  readonly release?: string | undefined;
}

/** Programs of which every distribution has one, all of one architecture. */
const PROGRAMS = [
  "usr/bin/env",
  "bin/sh",
  "bin/busybox",
  "sbin/init",
  "usr/lib/systemd/systemd",
  "usr/bin/apt-get",
  "init",
];

/**
 * Reads a tree's facts, without leaving the tree. @throws {ImageError} when its programs are for an unknown
 * architecture.
 */
export async function rootfsFacts(image: string, layers: readonly LayerFolder[]): Promise<RootfsFacts> {
  const tree = new LowerLayers(layers);
  const release = parseOsRelease((await head(tree, "etc/os-release", 65536))?.toString("utf8") ?? "");
  return {
    architecture: await architectureOf(image, tree),
    os: release["ID"],
    release: release["VERSION_CODENAME"] ?? release["VERSION_ID"],
  };
}

async function architectureOf(image: string, tree: LowerLayers): Promise<Architecture | undefined> {
  for (const path of PROGRAMS) {
    const start = await head(tree, path, 20);
    const machine = start && elfMachine(start);
    if (machine === undefined) continue;
    // elf.h: EM_X86_64, EM_AARCH64.
    if (machine === 62) return "amd64";
    if (machine === 183) return "arm64";
    throw new ImageError(image, `its programs are for ELF machine ${machine}: neither amd64 nor arm64`);
  }
  return undefined;
}

/**
 * `e_machine` of a 64-bit little-endian ELF file; elf(5). A 32-bit program does not show the architecture of the rest.
 */
function elfMachine(start: Buffer): number | undefined {
  const isElf = start.length >= 20 && start.readUInt32BE(0) === 0x7f454c46;
  return isElf && start[4] === 2 && start[5] === 1 ? start.readUInt16LE(18) : undefined;
}

async function head(tree: LowerLayers, path: string, length: number): Promise<Buffer | undefined> {
  const found = tree.follow(path.split("/"));
  if (found?.kind !== "file") return undefined;
  const file = await open(found.host, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** os-release(5): shell assignments, without expansion. */
export function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z][A-Z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^\s"']*))\s*$/.exec(line);
    const value = match?.[2] ?? match?.[3] ?? match?.[4];
    if (match?.[1] !== undefined && value !== undefined && value !== "" && value.length <= 64) values[match[1]] = value;
  }
  return values;
}
