import type { Abortable } from "../flow/abortable.ts";
import type { NetworkConfig, NetworkConfigInput } from "../model/network.ts";

/** A managed network: its definition with its address, and its current state. */
export interface NetworkInfo extends NetworkConfig {
  /**
   * Whether it works as a whole: the bridge with its address, its rules in the host's firewall, forwarding, and its DHCP
   * and DNS server. False also where `ip` or `nft` is missing. A network on which instances run is brought up again when
   * a host opens, when one of them starts, and within 15 s while a caller iterates over `watch()`; `doctor()` says
   * what is wrong.
   */
  readonly up: boolean;
}

/**
 * The managed networks of a host: bridges with DHCP, DNS and NAT. Nics of every driver join them by name. An aborted
 * call rejects with the reason of its signal within two seconds; when a tool of the host hangs, the rest is undone in
 * the background.
 */
export interface Networks {
  /**
   * Defines a network and brings it up. For an existing network with the same definition it changes nothing, except
   * that it brings the network up again if it is down. Aborting a first create undoes it. @throws {AlreadyExistsError}
   * when a network of that name has another definition, of which the message names the keys, or another program made an interface of that name. @throws
   * {ConfigError} when the address overlaps a network that the machine is on.
   * @throws {HostError} when a tool, or the right to use it, is missing; nothing was touched then.
   */
  create(config: NetworkConfigInput, options?: Abortable): Promise<NetworkInfo>;
  /** The definition of a network, and whether it is up now. @throws {NotFoundError} */
  get(name: string, options?: Abortable): Promise<NetworkInfo>;
  /**
   * Every network that is defined on this root, as {@link get} returns it. A network whose definition cannot be read is
   * left out: `doctor()` names its file, and {@link get} throws a {@link ProtocolError}.
   */
  list(options?: Abortable): Promise<readonly NetworkInfo[]>;
  /** Removes bridge, servers and firewall rules. Idempotent. @throws {InUseError} while instances use it. */
  delete(name: string, options?: Abortable): Promise<void>;
}
