import type { Networks } from "../contract/networks.ts";
import type { NicAttachment } from "../contract/nic-attachment.ts";
import type { Abortable } from "../flow/abortable.ts";
import type { Devices } from "../model/device/device.ts";

/** The instance that owns nics. Reservations are by `uuid`; DNS resolves `name`. */
export interface NicOwner {
  readonly name: string;
  readonly uuid: string;
}

/**
 * The networks of a host, as the engine needs them: the public interface, and a reservation for each nic of an
 * instance.
 */
export interface NetworkManager extends Networks, AsyncDisposable {
  /**
   * Gives each nic of `devices` its address and its name on the host, kept on disk until {@link release}. All or
   * nothing; safe to repeat. @throws {NotFoundError} when a network is missing. @throws {ConfigError} when an address
   * is taken or out of range.
   */
  reserve(owner: NicOwner, devices: Devices, options?: Abortable): Promise<readonly NicAttachment[]>;
  /** The reservations, ordered by device name; empty when there are none. Reads only. */
  attachments(owner: NicOwner, options?: Abortable): Promise<readonly NicAttachment[]>;
  /** Called before each launch: brings the owner's networks up again after a reboot. */
  bringUp(owner: NicOwner, options?: Abortable): Promise<void>;
  /**
   * Brings up again those networks of instances with these UUIDs that do not work as a whole. Rejects only with the
   * reason of its signal: {@link issues} tells what could not be brought up.
   */
  restore(uuids: ReadonlySet<string>, options?: Abortable): Promise<void>;
  /**
   * Makes the name of `owner` the one that its networks resolve to its addresses, and no other. Idempotent; the host need
   * not be able to run networks while it has none.
   */
  rename(owner: NicOwner, options?: Abortable): Promise<void>;
  /** Releases all reservations. Idempotent. */
  release(owner: NicOwner, options?: Abortable): Promise<void>;
  /** The files that cannot be read and the networks that are down, for `doctor()`. Changes nothing. */
  issues(): Promise<readonly NetworkIssue[]>;
}

/**
 * A file of a network that cannot be read, which `reason` names: calls that need it fail with the same reason. Or why
 * the network is down.
 */
export interface NetworkIssue {
  readonly network: string;
  readonly reason: string;
}
