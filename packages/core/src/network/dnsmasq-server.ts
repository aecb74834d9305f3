import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, HostError, isInstanceError } from "../errors/all.ts";
import type { NetworkConfig } from "../model/network.ts";
import { findProcesses } from "../system/find-process.ts";
import { cgroupFailure, inOwnCgroup, removeOwnCgroup } from "../system/own-cgroup.ts";
import { type ProcessIdentity, processArguments, signalProcess, waitForEnd } from "../system/process-identity.ts";
import { replaceFile } from "../system/replace-file.ts";
import type { Spawn } from "../system/spawn.ts";
import { readOwnFile } from "./definition.ts";
import { openFileWatch } from "./file-watch.ts";
import { hostResolves } from "./host-resolves.ts";
import { type Lease, parseLeases, sendDhcpReleases, withoutLeases } from "./lease.ts";
import { renderDnsmasq } from "./render-dnsmasq.ts";
import type { Reservation } from "./reservation.ts";
import { ServedFiles } from "./served-files.ts";

/**
 * The script that starts a server, with its arguments as `$@`. Its log ends at 8 MiB (16384 blocks of 512 bytes:
 * ulimit(1p)), because instances can make it write lines at any time. At the limit a write fails and does not end the
 * server. It does not inherit the network's lock, which is descriptor 3.
 */
const START = 'trap "" XFSZ; ulimit -f 16384; exec dnsmasq "$@" 3>&-';

/** CAP_NET_ADMIN of capability.h: dnsmasq keeps it when it drops root. */
const NET_ADMIN = 12;

/** How long dnsmasq may take to act on a signal or a release, in milliseconds. It takes about ten. */
const RESPONSE_TIMEOUT = 2000;

export interface DnsmasqServerOptions {
  /** The network's own folder. */
  readonly folder: string;
  /** The folder of {@link ServedFiles}. */
  readonly served: string;
  /** The name of the server's cgroup. */
  readonly cgroup: string;
  readonly spawn: Spawn;
}

/**
 * The DHCP and DNS server of one network: a dnsmasq that outlives this process and its service, and that any process
 * finds again. Call it under the network's lock.
 */
export class DnsmasqServer {
  readonly #folder: string;
  readonly #served: ServedFiles;
  readonly #cgroup: string;
  readonly #spawn: Spawn;

  constructor(options: DnsmasqServerOptions) {
    this.#folder = options.folder;
    this.#cgroup = options.cgroup;
    this.#served = new ServedFiles(options.served);
    this.#spawn = options.spawn;
  }

  /**
   * The server, if it runs: the process of ours that serves from our folder, preferably the one in the pid file. The
   * folder does not depend on the root's path, so a root that was moved finds its server again. A server of an early
   * release shows only its configuration file.
   */
  async find(): Promise<ProcessIdentity | undefined> {
    const pid = Number(readOwnFile(this.#file("pid")));
    const likely = Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
    const options = { likely, capability: NET_ADMIN };
    const marks = [this.#mark, this.#arguments[0]];
    return (await findProcesses((argv) => marks.some((mark) => mark !== undefined && argv.includes(mark)), options))[0];
  }

  /** Whether it runs with the right arguments: an earlier version of this package may have started it with others. */
  async isCurrent(config: NetworkConfig): Promise<boolean> {
    const identity = await this.find();
    const argv = (identity && (await processArguments(identity.pid))) ?? [];
    const given = argv.slice(-this.#arguments.length);
    if (!this.#arguments.every((argument, index) => argument === given[index])) return false;
    return readOwnFile(this.#file("conf")) === this.#render(config);
  }

  /**
   * Starts the server for `reservations`, unless it runs with the right arguments. Resolves when it answers. @throws
   * {HostError} if its ports are taken.
   */
  async ensure(config: NetworkConfig, reservations: readonly Reservation[]): Promise<void> {
    if (await this.isCurrent(config)) return;
    await this.#end();
    await this.#served.reset(reservations);
    await this.#start(config);
  }

  /** Begins to serve a reservation. `changed`: the same instance had another before. */
  async serve(config: NetworkConfig, reservation: Reservation, changed: boolean): Promise<void> {
    const identity = await this.find();
    if (identity !== undefined) await this.#served.put(reservation);
    const { nics } = reservation;
    // A crash may leave leases with the same address or the same nic, but not both: they conflict with the
    // reservation.
    await this.#forget(config, (lease) =>
      nics.some((nic) => (nic.mac === lease.mac) !== (nic.address === lease.address)),
    );
    if (changed && identity !== undefined) await signalProcess(identity, "SIGHUP");
  }

  /** Stops serving a reservation, and ends its leases: its name is gone from DNS when this resolves. */
  async forget(config: NetworkConfig, { uuid, nics }: Reservation): Promise<void> {
    await this.#served.removeOne(uuid);
    await this.#forget(config, (lease) => nics.some((nic) => nic.mac === lease.mac));
    const identity = await this.find();
    if (identity !== undefined) await signalProcess(identity, "SIGHUP");
  }

  /** Ends the server and removes its files. Idempotent. */
  async stop(): Promise<void> {
    await this.#end();
    await this.#served.remove();
  }

  async #start(config: NetworkConfig): Promise<void> {
    await replaceFile(this.#file("conf"), this.#render(config));
    await rm(this.#file("log"), { force: true });
    // dnsmasq's first process ends when the daemon serves, or says on stderr why it cannot. An abort must not come in
    // between: a half-started server cannot be found again.
    try {
      await this.#spawn(inOwnCgroup(this.#cgroup, ["sh", "-c", START, "sh", ...this.#arguments]), { apart: true });
    } catch (error) {
      throw whyNotServing(config, error) ?? cgroupFailure(servingOn(config), error);
    }
  }

  async #end(): Promise<void> {
    const identity = await this.find();
    if (identity !== undefined) await end(identity);
    await removeOwnCgroup(this.#cgroup);
  }

  async #forget(config: NetworkConfig, ended: (lease: Lease) => boolean): Promise<void> {
    const leases = (await this.#leases()).filter(ended);
    if (leases.length === 0) return;
    const running = (await this.find()) !== undefined;
    if (running && (await this.#release(config, leases, ended))) return;
    // It does not react, or is flooded with packets. Restart it without the leases that it is to forget.
    await this.#end();
    const text = readOwnFile(this.#file("leases")) ?? "";
    // In place, because that works on a full disk. If it is cut short, leases are lost that the server gives again as
    // reserved.
    await writeFile(this.#file("leases"), withoutLeases(text, ended));
    if (running) await this.#start(config);
  }

  async #release(config: NetworkConfig, leases: readonly Lease[], ended: (lease: Lease) => boolean): Promise<boolean> {
    const [gateway = ""] = config.ipv4.address.split("/");
    const watch = openFileWatch(this.#file("leases"));
    const signal = AbortSignal.timeout(RESPONSE_TIMEOUT);
    try {
      await sendDhcpReleases(leases, gateway);
      for (;;) {
        const changed = once(watch.events, "change", { signal }).then(
          () => true,
          () => false,
        );
        if (!(await this.#leases()).some(ended)) return true;
        if (!(await changed)) return false;
      }
    } finally {
      watch.close();
    }
  }

  async #leases(): Promise<readonly Lease[]> {
    return parseLeases(readOwnFile(this.#file("leases")) ?? "");
  }

  #render(config: NetworkConfig): string {
    return renderDnsmasq({ ...config, resolves: hostResolves(), served: this.#served.folder });
  }

  /** The server's argv; its last argument identifies it. */
  get #arguments(): readonly string[] {
    return [
      `--conf-file=${this.#file("conf")}`,
      `--pid-file=${this.#file("pid")}`,
      `--dhcp-leasefile=${this.#file("leases")}`,
      `--log-facility=${this.#file("log")}`,
      this.#mark,
    ];
  }

  get #mark(): string {
    return `--dhcp-hostsdir=${this.#served.folder}/dhcp`;
  }

  #file(kind: "conf" | "pid" | "log" | "leases"): string {
    return join(this.#folder, `dnsmasq.${kind}`);
  }
}

async function end(identity: ProcessIdentity): Promise<void> {
  await signalProcess(identity, "SIGTERM");
  try {
    await waitForEnd(identity, { timeout: RESPONSE_TIMEOUT });
  } catch (error) {
    if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
    await signalProcess(identity, "SIGKILL");
    await waitForEnd(identity);
  }
}

/** What dnsmasq says on stderr when it cannot start, as what the host lacks. */
function whyNotServing(config: NetworkConfig, error: unknown): HostError | undefined {
  if (!(error instanceof CommandError)) return undefined;
  const reason = error.stderr.trim().split("\n").at(-1) ?? "";
  const missing = missingFor(reason);
  return missing === undefined
    ? undefined
    : new HostError(servingOn(config), [{ ...missing, reason }], { cause: error });
}

function missingFor(reason: string): { readonly need: string; readonly fix: string } | undefined {
  if (/Address already in use/.test(reason)) {
    const listens = "find what listens with `ss -lntup`, and limit it to its own interfaces";
    return /DHCP/.test(reason)
      ? { need: "port:67", fix: `${listens} (a DHCP server that cannot share the port has to stop)` }
      : { need: "port:53", fix: `${listens} (dnsmasq: bind-interfaces) or stop it` };
  }
  // It runs as root until its files are open: only a security module can forbid them.
  if (/Permission denied/.test(reason))
    return {
      need: "access",
      fix: "let the profile that confines dnsmasq have these files: see AppArmor in docs/networks.md",
    };
  return undefined;
}

function servingOn({ name }: NetworkConfig): string {
  return `serve DHCP and DNS on network "${name}"`;
}
