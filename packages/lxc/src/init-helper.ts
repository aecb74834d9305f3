import { chmodSync, writeFileSync } from "node:fs";
import { UnsupportedError } from "@pileus/core";
import type { ConfigEntry } from "./config/render.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { INIT_HELPER_BINARIES } from "./init-helper-binary.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

/** Where the helper is inside: on the container's own /dev, from which it removes itself. */
const INSIDE = "/dev/.pileus-init";

/**
 * Whether PID 1 begins as the helper of helper/init-helper.c: liblxc leaves `lxc.init.groups` out in a user namespace
 * (start.c, do_start: "If we are in a new user namespace we already dropped all groups").
 */
export function needsInitHelper({ idmap, init }: Pick<ContainerSpec, "idmap" | "init">): boolean {
  return idmap !== undefined && (init.groups?.length ?? 0) > 0;
}

/** What liblxc is to execute: the program, or the helper that becomes it. */
export function initArgv(spec: Pick<ContainerSpec, "idmap" | "init">): readonly string[] {
  const { argv, uid = 0, gid = 0, groups = [] } = spec.init;
  return needsInitHelper(spec) ? [INSIDE, String(uid), String(gid), groups.join(","), ...argv] : argv;
}

/** Whom liblxc is to execute it as. */
export function initIdentity(spec: Pick<ContainerSpec, "idmap" | "init">): readonly ConfigEntry[] {
  const { uid = 0, gid = 0, groups = [] } = spec.init;
  if (needsInitHelper(spec))
    return [
      ["lxc.init.uid", 0],
      ["lxc.init.gid", 0],
    ];
  return [
    ["lxc.init.uid", uid],
    ["lxc.init.gid", gid],
    ...(groups.length === 0 ? [] : [["lxc.init.groups", groups.join(",")] as const]),
  ];
}

export function initHelperMount(spec: ContainerSpec): readonly ConfigEntry[] {
  if (!needsInitHelper(spec)) return [];
  return [["lxc.mount.entry", `${containerPaths(spec).initHelper} ${INSIDE.slice(1)} none bind,ro,create=file 0 0`]];
}

/** @throws {UnsupportedError} on an architecture for which there is none */
export function writeInitHelper(spec: PlacedSpec & Pick<ContainerSpec, "init">): void {
  if (!needsInitHelper(spec)) return;
  const binary = INIT_HELPER_BINARIES[process.arch];
  if (binary === undefined)
    throw new UnsupportedError({ capability: "supplementary groups", reason: `no helper for ${process.arch}` });
  const { initHelper } = containerPaths(spec);
  writeFileSync(initHelper, Buffer.from(binary, "base64"));
  chmodSync(initHelper, 0o555);
}
