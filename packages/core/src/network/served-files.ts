import { randomUUID } from "node:crypto";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderDhcpHosts, renderDnsHosts } from "./render-dnsmasq.ts";
import type { Reservation } from "./reservation.ts";

/**
 * The folder from which a network's dnsmasq serves reservations and names, with one file for each instance. It lies
 * outside of the host's root, because dnsmasq's user may not enter that. It holds nothing that the reservations do not,
 * and is made again with the server.
 *
 * dnsmasq sees a new file at once, by inotify. It forgets the content of a changed or removed file only on SIGHUP
 * (dnsmasq(8), `--dhcp-hostsdir`).
 */
export class ServedFiles {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folder hold exactly these. */
  async reset(reservations: readonly Reservation[]): Promise<void> {
    await this.remove();
    for (const folder of [this.folder, join(this.folder, "dhcp"), join(this.folder, "dns")]) {
      await mkdir(folder);
      await chmod(folder, 0o755); // whatever the umask
    }
    for (const reservation of reservations) await this.put(reservation);
  }

  async put({ uuid, instance, nics }: Reservation): Promise<void> {
    await replaceServed(join(this.folder, "dns"), uuid, renderDnsHosts(instance, nics));
    await replaceServed(join(this.folder, "dhcp"), uuid, renderDhcpHosts(nics));
  }

  /** Idempotent. */
  async removeOne(uuid: string): Promise<void> {
    for (const kind of ["dhcp", "dns"]) await rm(join(this.folder, kind, uuid), { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

// Atomic, not durable: nothing here outlives the server. The file is readable before it has its name, because inotify
// announces the name.
async function replaceServed(folder: string, name: string, content: string): Promise<void> {
  const temporary = join(folder, `.${name}.${randomUUID()}`); // dnsmasq passes over names that begin with a dot
  await writeFile(temporary, content, { flag: "wx" });
  await chmod(temporary, 0o644);
  await rename(temporary, join(folder, name));
}
