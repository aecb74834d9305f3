import { posix } from "node:path";
import { z } from "zod";
import type { Frozen, Holds, Same } from "../../terms/same.ts";
import { noNul } from "../no-nul.ts";
import { type BytesInput, BytesSchema } from "../units.ts";
import { required } from "../wording.ts";

/** The `source` of an empty folder in memory. */
export const TMPFS = "tmpfs:";

/**
 * A folder or file of the host, or an empty folder in memory, at a path inside. Terms follow Incus' device `disk`. A
 * symlink at `path` is followed inside, and never leads outside.
 */
export interface DiskInput {
  /** Marks the device as a disk. */
  readonly type: "disk";
  /**
   * An absolute path of the host: a folder, or a single file. It must exist when the instance starts, or when the device
   * is attached; a symlink is followed. `"tmpfs:"` is an empty folder in memory.
   */
  readonly source: string;
  /** The absolute path inside. What is missing of it is made, with root inside as the owner. */
  readonly path: string;
  /**
   * Whether nobody inside can change it. Root of a privileged container is no other than that of the host and can mount it
   * anew. Default false.
   */
  readonly readonly?: boolean | undefined;
  /** Whether what is mounted below the source is seen too. Default false. */
  readonly recursive?: boolean | undefined;
  /**
   * `slave`: what the host mounts below the source later is seen too, if the source is on a shared mount:
   * mount_namespaces(7). Default: `private`.
   */
  readonly propagation?: "private" | "slave" | undefined;
  /**
   * Whether owners are the same numbers inside as on the host: a file of uid 1000 belongs to uid 1000 inside, and what
   * root inside writes belongs to root of the host. `false`: the host's ids are shown as the instance's map shows them,
   * mostly as 65534, and only ids of the map can be written. Default true.
   */
  readonly shift?: boolean | undefined;
  /** Whether the instance starts without it, if the source is missing then. Default true: it does not start. */
  readonly required?: boolean | undefined;
  /** The most that a tmpfs holds: bytes, or a size as in `"64MiB"`. Default: half of the host's memory. */
  readonly size?: BytesInput | undefined;
  /** The mode of the top folder of a tmpfs. Default 0o1777. */
  readonly mode?: number | undefined;
}

/** {@link DiskInput} as drivers read it. */
export interface Disk extends DiskInput {
  readonly size?: number | undefined;
}

const SourceSchema = noNul("a path", required('write a folder of the host, as in source: "/srv/data"'))
  .refine(
    (path) => path === TMPFS || posix.isAbsolute(path),
    'must be an absolute path of the host, or "tmpfs:" for a folder in memory',
  )
  .refine((path) => Buffer.byteLength(path) < 4096, "is longer than a path can be: 4095 bytes");

/** Where a system has its own mounts, which would cover the disk or be covered by it. */
const TAKEN = ["/proc", "/sys", "/dev"];

const TargetSchema = noNul("a path", required('write where it is inside, as in path: "/data"'))
  .refine(posix.isAbsolute, 'must be an absolute path inside, as in "/data"')
  .refine((path) => path === posix.normalize(path) && (path === "/" || !path.endsWith("/")), {
    error: ({ input }) => `must be in its plain form: write ${JSON.stringify(plain(String(input)).slice(0, 200))}`,
  })
  .refine((path) => path !== "/", "the root has a disk already: choose a path below it")
  .refine(
    (path) => TAKEN.every((taken) => path !== taken && !path.startsWith(`${taken}/`)),
    "the system inside mounts its own there: choose a path elsewhere",
  )
  .refine((path) => Buffer.byteLength(path) < 4096, "is longer than a path can be: 4095 bytes");

function plain(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, "");
}

/** Reads {@link DiskInput}. */
export const DiskSchema = z
  .strictObject({
    type: z.literal("disk"),
    source: SourceSchema,
    path: TargetSchema,
    readonly: z.boolean().optional(),
    recursive: z.boolean().optional(),
    propagation: z.enum(["private", "slave"]).optional(),
    shift: z.boolean().optional(),
    required: z.boolean().optional(),
    size: BytesSchema.optional(),
    mode: z.number().int().min(0).max(0o7777).optional(),
  })
  .superRefine((disk, issues) => {
    const ofMemory = ["size", "mode"] as const;
    const ofSources = ["recursive", "propagation", "shift", "required"] as const;
    const refused = disk.source === TMPFS ? ofSources : ofMemory;
    const message = disk.source === TMPFS ? "a tmpfs has none: leave it out" : 'only of source: "tmpfs:"';
    for (const key of refused) if (disk[key] !== undefined) issues.addIssue({ code: "custom", path: [key], message });
  });
type _Disk = Holds<Same<Disk, Frozen<z.output<typeof DiskSchema>>>>;
type _DiskInput = Holds<Same<DiskInput, Frozen<z.input<typeof DiskSchema>>>>;
