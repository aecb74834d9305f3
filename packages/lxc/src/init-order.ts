import type { ContainerSpec } from "./container-spec.ts";

/** The roles of a PID 1: helper/init-helper.c. */
const ROLES = { program: 0, reaper: 1, idle: 2 } as const;

/** What PID 1 becomes, as the helper reads it: struct orders of helper/init-helper.c. Pure. */
export function encodeInitOrder({ init, output }: Pick<ContainerSpec, "init" | "output">): Buffer {
  const { argv, uid = 0, gid = 0, groups = [], cwd = "/", role = "program" } = init;
  const head = [uid, gid, ROLES[role], output.kind === "console" ? 1 : 0, groups.length, argv.length];
  const strings = Buffer.from([cwd, ...argv].map((text) => `${text}\0`).join(""));
  return Buffer.concat([Buffer.from(Uint32Array.from([...head, ...groups]).buffer), strings]);
}
