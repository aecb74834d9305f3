/** A driver, by its name. */
export type Kind = "lxc" | "oci" | "qemu";
/** When a change takes effect: in what runs, with the next start, or never, because it is fixed at create. */
export type Effect = "live" | "next-start" | "create";
/** The kinds that have a setting, each with the effect of a change. */
export type Kinds = { readonly [K in Kind]?: Effect };

/** Options of Incus with the same answer. Their names are those of its documentation. */
export type Entry = { readonly options: readonly string[] } & (Counterpart | { toCome: string } | { none: string });

/** What stands for an option here. */
export interface Counterpart {
  /**
   * Keys of the configuration. Those that begin with `nic.` and `disk.` are of a device of that type, `network.` of a
   * network, and `lxc.`, `oci.` and `qemu.` of the driver's section.
   */
  readonly here: readonly string[];
  readonly kinds: Kinds;
  readonly note?: string | undefined;
}

/** A group of options, by the name that Incus's documentation gives it. */
export interface Group {
  readonly name: string;
  readonly entries: readonly Entry[];
}

/** `options` and `here`: words that spaces separate. */
export function has(options: string, here: string, kinds: Kinds, note?: string): Entry {
  return { options: words(options), here: words(here), kinds, note };
}

/** `subject`: what will bring them. */
export function toCome(subject: string, options: string): Entry {
  return { options: words(options), toCome: subject };
}

/** `reason`: why there is no counterpart. */
export function none(reason: string, options: string): Entry {
  return { options: words(options), none: reason };
}

/** `hardware`: what an option needs, and no test can have. */
export function noHardware(hardware: string, options: string): Entry {
  return none(`no ${hardware} to try it with`, options);
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

export const CONTAINERS_LIVE: Kinds = { lxc: "live", oci: "live" };
export const CONTAINERS_NEXT_START: Kinds = { lxc: "next-start", oci: "next-start" };
export const CONTAINERS_CREATE: Kinds = { lxc: "create", oci: "create" };
export const ALL_LIVE: Kinds = { lxc: "live", oci: "live", qemu: "live" };
export const ALL_CREATE: Kinds = { lxc: "create", oci: "create", qemu: "create" };
