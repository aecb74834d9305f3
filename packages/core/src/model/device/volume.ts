import { posix } from "node:path";
import { z } from "zod";
import type { Frozen, Holds, Same } from "../../terms/same.ts";
import { type Disk, type DiskInput, DiskSchema } from "./disk.ts";

/** A disk without its type, as an element of `volumes`. */
export type VolumeInput = Omit<DiskInput, "type">;

/** What Docker writes behind the second colon, and the options of a disk. */
const FLAGS: Readonly<Record<string, Partial<DiskInput>>> = {
  ro: { readonly: true },
  rw: {},
  rprivate: { recursive: true },
  private: {},
  rslave: { recursive: true, propagation: "slave" },
  slave: { propagation: "slave" },
};

const SYNTAX = 'write "./source:/target" or "./source:/target:ro", or an object { source, path }';

/**
 * Reads `SOURCE:TARGET[:FLAG,…]` as `docker run --volume` does, for folders and files of the host. A relative source is
 * below the working directory of this process, and begins with a dot. Returns the disk, or what is wrong with it. Pure but for
 * the working directory.
 */
export function parseVolume(text: string): DiskInput | string {
  const [source = "", path, flags, ...more] = text.split(":");
  if (path === undefined && source.startsWith("/")) return `anonymous volumes do not exist yet: ${SYNTAX}`;
  if (path === undefined || more.length > 0) return `is not a volume: ${SYNTAX}`;
  if (!/^(\/|\.{1,2}(\/|$))/.test(source))
    return `named volumes do not exist yet, and a folder begins with / or ./: ${SYNTAX}`;
  const options = flags === undefined ? [] : flags.split(",");
  const unknown = options.find((flag) => !Object.hasOwn(FLAGS, flag));
  if (unknown !== undefined)
    return `has an unknown option ${JSON.stringify(unknown.slice(0, 40))}; it knows ${Object.keys(FLAGS).join(", ")}`;
  const disk: DiskInput = { type: "disk", source: posix.resolve(source), path };
  return Object.assign(disk, ...options.map((flag) => FLAGS[flag]));
}

/** Reads one element of `volumes`. */
const VolumeSchema = z.preprocess((value, context) => {
  if (typeof value !== "string")
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value, type: "disk" } : value;
  const disk = parseVolume(value);
  if (typeof disk !== "string") return disk;
  context.addIssue({ code: "custom", message: disk });
  return z.NEVER;
}, DiskSchema) as unknown as z.ZodType<Disk, string | VolumeInput>;

/** Reads `volumes` of a configuration. */
export const VolumesSchema = z.array(VolumeSchema).readonly();
type _Volumes = Holds<Same<readonly (string | VolumeInput)[], Frozen<z.input<typeof VolumesSchema>>>>;

/** The name of the device of a volume: its path as a label, so that `/var/lib/data` is `var-lib-data`. Pure. */
export function nameOfVolume(path: string): string {
  const label = path.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return label.replace(/^-+/, "").slice(0, 63).replace(/-+$/, "") || "volume";
}
