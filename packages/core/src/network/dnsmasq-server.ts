import { once } from "node:events";
import { watch } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, HostError, isInstanceError } from "../contract/errors.ts";
import type { NetworkConfig } from "../model/network.ts";
import { findProcesses } from "../system/find-process.ts";
import { type ProcessIdentity, processArguments, signalProcess, waitForEnd } from "../system/process-identity.ts";
import { replaceFile } from "../system/replace-file.ts";
import type { Spawn } from "../system/spawn.ts";
import { readIfThere } from "./definition.ts";
import { type Lease, parseLeases, sendDhcpReleases, withoutLeases } from "./lease.ts";
import { renderDnsmasq } from "./render-dnsmasq.ts";
import type { Reservation } from "./reservation.ts";
import { ServedFiles } from "./served-files.ts";

/**
 * The start of a server, its arguments as `$@`. Its log ends at 8 MiB (16384 blocks of 512 bytes: ulimit(1p)), for
 * instances can make it write a line whenever they like; at the limit a write then fails instead of ending it.
 */
const START = 'trap "" XFSZ; ulimit -f 16384; exec dnsmasq "$@"';

/** CAP_NET_ADMIN of capability.h: dnsmasq keeps it when it gives up root. */
const NET_ADMIN = 12;

/** How long dnsmasq may take to act on what it was told, in milliseconds. It takes some ten. */
const PATIENCE = 2000;

/**
 * The DHCP and DNS server of one network: a dnsmasq that lives on when we die, and that any process finds again. Call
 * under the network's lock.
 */
export class DnsmasqServer {
  readonly #folder: string;
  readonly #served: ServedFiles;
  readonly #spawn: Spawn;

  /** `folder` is the network's, `served` that of {@link ServedFiles}. */
  constructor(options: { readonly folder: string; readonly served: string; readonly spawn: Spawn }) {
    this.#folder = options.folder;
    this.#served = new ServedFiles(options.served);
    this.#spawn = options.spawn;
  }

  /**
   * The server, if it runs: the process of ours that serves from our folder, at best the one of the pid file. The
   * folder does not depend on where the root is: a root that was moved finds its server again.
   */
  async find(): Promise<ProcessIdentity | undefined> {
    const pid = Number(readIfThere(this.#file("pid")));
    const likely = Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
    const options = { likely, capability: NET_ADMIN };
    return (await findProcesses((argv) => argv.includes(this.#mark), options))[0];
  }

  /** Whether it runs, and as it should: an earlier version of this package may have started it otherwise. */
  async isCurrent(config: NetworkConfig): Promise<boolean> {
    const identity = await this.find();
    const argv = (identity && (await processArguments(identity.pid))) ?? [];
    const given = argv.slice(-this.#arguments.length);
    if (!this.#arguments.every((argument, index) => argument === given[index])) return false;
    return readIfThere(this.#file("conf")) === this.#render(config);
  }

  /**
   * Starts it unless it runs as it should, to serve `reservations`. Resolves when it answers. @throws {HostError} when
   * its ports are taken.
   */
  async ensure(config: NetworkConfig, reservations: readonly Reservation[]): Promise<void> {
    if (await this.isCurrent(config)) return;
    await this.#end();
    await this.#served.reset(reservations);
    await this.#start(config);
  }

  /** Begins to serve a reservation. `changed`: the same instance had another one. */
  async serve(config: NetworkConfig, reservation: Reservation, changed: boolean): Promise<void> {
    const identity = await this.find();
    if (identity !== undefined) await this.#served.put(reservation);
    const { nics } = reservation;
    // Who has the address or is the nic, and not both: left by a crash, and in the way.
    await this.#forget(config, (lease) =>
      nics.some((nic) => (nic.mac === lease.mac) !== (nic.address === lease.address)),
    );
    if (changed && identity !== undefined) await signalProcess(identity, "SIGHUP");
  }

  /** Serves a reservation no more, and ends its leases: its name is gone from DNS when this resolves. */
  async forget(config: NetworkConfig, { uuid, nics }: Reservation): Promise<void> {
    await this.#served.drop(uuid);
    await this.#forget(config, (lease) => nics.some((nic) => nic.mac === lease.mac));
    const identity = await this.find();
    if (identity !== undefined) await signalProcess(identity, "SIGHUP");
  }

  /** Ends it and removes what it served from. Idempotent. */
  async stop(): Promise<void> {
    await this.#end();
    await this.#served.remove();
  }

  async #start(config: NetworkConfig): Promise<void> {
    await replaceFile(this.#file("conf"), this.#render(config));
    await rm(this.#file("log"), { force: true });
    // dnsmasq's first process ends when the daemon serves, or says on stderr why it cannot. Not to be aborted between:
    // what is half started cannot be found.
    try {
      await this.#spawn(["sh", "-c", START, "sh", ...this.#arguments]);
    } catch (error) {
      throw portTaken(config, error) ?? error;
    }
  }

  async #end(): Promise<void> {
    const identity = await this.find();
    if (identity === undefined) return;
    await signalProcess(identity, "SIGTERM");
    try {
      await waitForEnd(identity, { timeout: PATIENCE });
    } catch (error) {
      if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
      await signalProcess(identity, "SIGKILL");
      await waitForEnd(identity);
    }
  }

  async #forget(config: NetworkConfig, drop: (lease: Lease) => boolean): Promise<void> {
    const leases = (await this.#leases()).filter(drop);
    if (leases.length === 0) return;
    const running = (await this.find()) !== undefined;
    if (running && (await this.#release(config, leases, drop))) return;
    // It does not hear us, or somebody floods it: what it is to forget it does not find when it starts anew.
    await this.#end();
    const text = readIfThere(this.#file("leases")) ?? "";
    // In place, for it works on a full disk; cut short, it forgets leases that the server then gives again as reserved.
    await writeFile(this.#file("leases"), withoutLeases(text, drop));
    if (running) await this.#start(config);
  }

  async #release(config: NetworkConfig, leases: readonly Lease[], drop: (lease: Lease) => boolean): Promise<boolean> {
    const [gateway = ""] = config.ipv4.address.split("/");
    const watcher = watch(this.#file("leases"));
    const signal = AbortSignal.timeout(PATIENCE);
    try {
      await sendDhcpReleases(leases, gateway);
      for (;;) {
        const changed = once(watcher, "change", { signal }).then(
          () => true,
          () => false,
        );
        if (!(await this.#leases()).some(drop)) return true;
        if (!(await changed)) return false;
      }
    } finally {
      watcher.close();
    }
  }

  async #leases(): Promise<readonly Lease[]> {
    return parseLeases(readIfThere(this.#file("leases")) ?? "");
  }

  #render(config: NetworkConfig): string {
    return renderDnsmasq({ ...config, served: this.#served.folder });
  }

  /** What it is started with; its last argument tells it from every other. */
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

function portTaken(config: NetworkConfig, error: unknown): HostError | undefined {
  if (!(error instanceof CommandError) || !/Address already in use/.test(error.stderr)) return undefined;
  const need = {
    need: "port:53",
    reason: error.stderr.trim().split("\n").at(-1) ?? "",
    fix: "find who listens with `ss -lntup`, and keep it to its own interfaces (dnsmasq: bind-interfaces) or stop it",
  };
  return new HostError(`serve DHCP and DNS on network "${config.name}"`, [need], { cause: error });
}
