import type { Abortable, ProgressOptions } from "../flow/abortable.ts";
import type { DebianBootstrap } from "../model/debian.ts";
import type { Architecture, Image } from "../model/image.ts";

/** Credentials and transport for one registry. */
export interface RegistryOptions {
  /** Default true. False allows plain HTTP, and HTTPS without a check of the certificate. */
  readonly tlsVerify?: boolean | undefined;
  /** A folder with a CA certificate (`ca.crt`) to trust in addition to the system's. */
  readonly certDir?: string | undefined;
  /** A file as `containers-auth.json(5)` describes it. */
  readonly authFile?: string | undefined;
}

/** Options of {@link Images.import}. */
export interface ImportOptions extends ProgressOptions {
  /** Names for the image; a name that is in use moves to the new image. */
  readonly aliases?: readonly string[] | undefined;
  /** Refuses a source whose sha256 differs: that of the file, or of the manifest for OCI references. */
  readonly digest?: string | undefined;
  /** The architecture to choose from an image for several. Default: the host's. */
  readonly architecture?: Architecture | undefined;
  /** Credentials and transport of the registry that the source names. Default: those of the driver, else the host's. */
  readonly registry?: RegistryOptions | undefined;
}

/**
 * Where an image comes from: a string with a prefix, or a bare path whose format is detected from its first bytes.
 * `docker://host/name:tag[@digest]`, `oci:folder[:tag]`, `oci-archive:file[:tag]`, `docker-archive:file[:name]`, or a
 * path to a rootfs tar (plain, gzip, xz, zstd), a squashfs, a folder, a qcow2 or a raw disk.
 */
export type ImageSource = string | DebianBootstrap;

/** The images of a host: content-addressed, verified, shared by all drivers and processes that use the root. */
export interface Images {
  /**
   * Imports an image and returns it; returns at once when the store has it already. All or nothing: a failure or an
   * abort leaves no trace, and neither does a crash once the host is opened again.
   *
   * @throws {ConfigError} for an unknown or invalid option. @throws {NotFoundError} when the source does not exist.
   * @throws {ImageError} when the image cannot be read, is malformed or hostile, leads outside its root, or differs
   * from its digest.
   * @throws {HostError} when a tool for the source is missing, the import needs root, or the store's file system is
   * full.
   * @throws {ConnectionError} when a registry cannot be reached, refuses the request, or sends nothing for a minute.
   */
  import(source: ImageSource, options?: ImportOptions): Promise<Image>;
  /**
   * Finds an image by alias or fingerprint (with or without `sha256:`, or a unique prefix of at least 12 digits).
   *
   * @throws {NotFoundError} @throws {ConfigError} when several images have that prefix. @throws {ImageError} when its
   * record cannot be read; the message names the file and what to do.
   */
  get(reference: string, options?: Abortable): Promise<Image>;
  /** Every image whose record can be read, oldest first; `doctor()` names the others. */
  list(options?: Abortable): Promise<readonly Image[]>;
  /**
   * Removes an image and all its names. Layers that other images use stay.
   *
   * @throws {InUseError} while instances use it. @throws {NotFoundError}
   */
  delete(reference: string, options?: Abortable): Promise<void>;
}
