import { type Apparmor, apparmorEntries } from "../apparmor.ts";
import type { ContainerSpec } from "../container-spec.ts";
import type { ConfigEntry } from "./render.ts";

export interface SecurityFacts {
  /** The seccomp profile of the host, if it has one. */
  readonly seccompProfile: string | undefined;
  readonly apparmor: Apparmor;
}

/**
 * Capabilities that reach past the container; common.conf of lxc. With an idmap they have no effect outside, and are
 * kept.
 */
const DROPPED = ["mac_admin", "mac_override", "sys_time", "sys_module", "sys_rawio"];

/** What the kernel lets the container do: its ids, capabilities and system calls. */
export function securityEntries(spec: ContainerSpec, facts: SecurityFacts): readonly ConfigEntry[] {
  const { idmap, init } = spec;
  return [
    ...(idmap === undefined
      ? [["lxc.cap.drop", DROPPED.join(" ")] as const]
      : [
          ["lxc.idmap", `u 0 ${idmap.base} ${idmap.count}`] as const,
          ["lxc.idmap", `g 0 ${idmap.base} ${idmap.count}`] as const,
        ]),
    ...(init.noNewPrivileges ? [["lxc.no_new_privs", 1] as const] : []),
    ...(facts.seccompProfile === undefined ? [] : [["lxc.seccomp.profile", facts.seccompProfile] as const]),
    ...apparmorEntries(spec, facts.apparmor),
  ];
}
