import type { Architecture, Image } from "../model/image.ts";
import type { Abortable, ProgressOptions } from "./abortable.ts";

/** Credentials and transport for one registry. */
export interface RegistryOptions {
  /** Default true. False: plain HTTP, or HTTPS whose certificate is not checked. */
  readonly tlsVerify?: boolean | undefined;
  /** A folder with the CA certificate (`ca.crt`) to trust beside the system's. */
  readonly certDir?: string | undefined;
  /** A file as `containers-auth.json(5)` describes it. */
  readonly authFile?: string | undefined;
}

/** Options of {@link Images.import}. */
export interface ImportOptions extends ProgressOptions {
  /** Names to give it; a name in use moves to the new image. */
  readonly aliases?: readonly string[] | undefined;
  /** Refuses the source unless its content has this sha256 (of the file; of the manifest for OCI references). */
  readonly digest?: string | undefined;
  /** The processors that it is to be for, of an image for several. Default: the host's. */
  readonly architecture?: Architecture | undefined;
  /** Credentials and transport of the registry that the source names. Default: those of the driver, else the host's. */
  readonly registry?: RegistryOptions | undefined;
}

/** A Debian root file system to be made by mmdebstrap(1). */
export interface DebianBootstrap {
  /** Says that the source is a Debian root file system to be made. */
  readonly type: "debian";
  /** The release, by its code name: `bookworm`, `trixie` … */
  readonly suite: string;
  /** What to install beside the variant's own: `name`, `name/suite`, `name=version` or `name:arch`. Default: nothing. */
  readonly packages?: readonly string[] | undefined;
  /** Where the packages come from: an http, https, file or copy URL. Default: the mirror that the host's apt uses. */
  readonly mirror?: string | undefined;
  /** What is installed anyway, from little to less: `minbase` (default), `apt`, `essential`. */
  readonly variant?: "minbase" | "apt" | "essential" | undefined;
}

/**
 * Where an image comes from: a string with a prefix, or a bare path whose kind is read off its first bytes.
 * `docker://host/name:tag[@digest]`, `oci:folder[:tag]`, `oci-archive:file[:tag]`, `docker-archive:file[:name]`,
 * or a path to a rootfs tar (plain, gzip, xz, zstd), a squashfs, a folder, a qcow2 or a raw disk.
 */
export type ImageSource = string | DebianBootstrap;

/** The images of a host: content-addressed, verified, shared by every driver and process on the root. */
export interface Images {
  /**
   * Brings an image in and returns it; at once when the store has it. All or nothing: a failure, an abort or a crash
   * leaves no trace once the host is opened again.
   *
   * @throws {ConfigError} for an option that is unknown or wrong. @throws {NotFoundError} when there is no such file.
   * @throws {ImageError} when it cannot be read, is malformed or hostile, leaves its root, or differs from its digest.
   * @throws {HostError} when a tool for its source is missing, it takes root, or the store's file system has no room
   * for it.
   * @throws {ConnectionError} when a registry cannot be reached, refuses, or sends nothing for a minute.
   */
  import(source: ImageSource, options?: ImportOptions): Promise<Image>;
  /**
   * By fingerprint (with or without `sha256:`, or a unique prefix of 12 digits and more) or alias.
   *
   * @throws {NotFoundError} @throws {ConfigError} when a prefix is that of several. @throws {ImageError} when its
   * record cannot be read, naming the file and the way out.
   */
  get(reference: string, options?: Abortable): Promise<Image>;
  /** Every image of the store whose record can be read, oldest first; `doctor()` names the others. */
  list(options?: Abortable): Promise<readonly Image[]>;
  /**
   * Removes an image and all its names. Layers that other images share stay.
   *
   * @throws {InUseError} while instances use it. @throws {NotFoundError}
   */
  delete(reference: string, options?: Abortable): Promise<void>;
}
