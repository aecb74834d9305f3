import { type Idmap, mapLines } from "@pileus/core/driver";
import { type Apparmor, apparmorEntries } from "../apparmor.ts";
import { SYSTEM_CONFINEMENT } from "../confinement.ts";
import type { ContainerSpec } from "../container-spec.ts";
import type { ConfigEntry } from "./render.ts";

/**
 * The descriptor at which the starter has the user namespace of an unprivileged container (helper/starter.c). liblxc opens
 * it at each reboot inside, too.
 */
const USER_NAMESPACE = 3;

export interface SecurityFacts {
  readonly apparmor: Apparmor;
}

/**
 * What liblxc does for the safety of the host: ids, and no new privileges. Our helpers do the rest, see confinement.ts.
 */
export function securityEntries(spec: ContainerSpec, facts: SecurityFacts): readonly ConfigEntry[] {
  const { idmap, confinement = SYSTEM_CONFINEMENT } = spec;
  return [
    ...(idmap === undefined
      ? []
      : [...idmapEntries(idmap), ["lxc.namespace.share.user", `/proc/self/fd/${USER_NAMESPACE}`] as const]),
    ...(confinement.noNewPrivileges ? [["lxc.no_new_privs", 1] as const] : []),
    ...apparmorEntries(spec, facts.apparmor),
  ];
}

function idmapEntries(idmap: Idmap): readonly ConfigEntry[] {
  return (["uid", "gid"] as const).flatMap((of) =>
    mapLines(idmap, of).map(({ inside, outside, count }): ConfigEntry => {
      return ["lxc.idmap", `${of === "uid" ? "u" : "g"} ${inside} ${outside} ${count}`];
    }),
  );
}
