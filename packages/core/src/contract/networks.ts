import type { NetworkConfig, NetworkConfigInput } from "../model/network.ts";
import type { Abortable } from "./abortable.ts";

/** A managed network as it is defined, with its address, and as it is. */
export interface NetworkInfo extends NetworkConfig {
  /** Whether the bridge and its DHCP and DNS server are up. */
  readonly up: boolean;
}

/**
 * The managed networks of a host: bridges with DHCP, DNS and NAT, which nics of every driver join by name. Each call
 * rejects with the reason of its signal within two seconds of the abort, and undoes the rest in the background where a
 * tool of the host hangs.
 */
export interface Networks {
  /**
   * Defines a network and brings it up. With the definition that it has already: a no-op that brings it up again if the
   * machine was rebooted. Aborting a first create undoes it. @throws {AlreadyExistsError} when the name has another
   * definition, or is that of an interface we did not make. @throws {ConfigError} when the address overlaps a network
   * that the machine is on.
   * @throws {HostError} before anything is touched, when a tool or the right to use it is missing.
   */
  create(config: NetworkConfigInput, options?: Abortable): Promise<NetworkInfo>;
  /** A network's definition, and whether it is up now. @throws {NotFoundError} */
  get(name: string, options?: Abortable): Promise<NetworkInfo>;
  /**
   * Every network that is defined on this root, each as {@link get} tells it. One whose definition cannot be read is
   * left out: `doctor()` names its file, and {@link get} throws a {@link ProtocolError}.
   */
  list(options?: Abortable): Promise<readonly NetworkInfo[]>;
  /** Removes bridge, servers and firewall rules. Idempotent. @throws {InUseError} while instances use it. */
  delete(name: string, options?: Abortable): Promise<void>;
}
