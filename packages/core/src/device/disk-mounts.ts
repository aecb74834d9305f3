import { closeSync, fstatSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { InUseError, UnsupportedError } from "../errors/all.ts";
import { allOrNothing } from "../flow/cleanup.ts";
import type { Devices } from "../model/device/device.ts";
import type { Disk } from "../model/device/disk.ts";
import { openInRoot } from "../system/contained-access.ts";
import { attachMount } from "../system/detached-mount.ts";
import { type MountPoint, mountOf, mountPointsBelow, parseMounts } from "../system/mounts.ts";
import { readSmallJson } from "../system/small-file.ts";
import type { SystemError } from "../system/syscall.ts";
import { copyOf, type DiskSource, deviceError, type MountedDisk, openDiskSource } from "./disk-source.ts";
import { type InstanceRoot, openTarget, pathOf } from "./disk-target.ts";
import { unmountWithin } from "./disk-unmount.ts";
import { mountedOn, usersOf } from "./disk-users.ts";

/** Where the disks of one run are. */
export interface DiskPlace extends InstanceRoot {
  /** The folder of the run, for a file that says which mount belongs to which device. */
  readonly run: string;
  /** Whether a process with this /proc/PID/cgroup is one of the instance. */
  readonly isInside: (cgroups: string) => boolean;
  /**
   * Opens the root as the instance sees it now; `undefined` while it reboots. What is mounted there can cover the path of
   * a disk: then the disk is refused. Default: it does not run yet.
   */
  readonly openInside?: (() => number | undefined) | undefined;
  /** The mounts that the instance sees, as in /proc/PID/mountinfo; `undefined` while it reboots. */
  readonly readMountsInside?: (() => Buffer | undefined) | undefined;
}

/** Options of {@link DiskMounts.change}. */
export interface DiskChangeOptions {
  /** Whether disks that go are taken from programs that use them. Default false: {@link InUseError}. */
  readonly force?: boolean | undefined;
}

const O_PATH = 0o10000000;

const HeldSchema = z.record(z.string(), z.looseObject({ mount: z.number(), disk: z.looseObject({}) }));
interface Held extends MountedDisk {
  readonly disk: Disk;
}

/**
 * The disks of a run, mounted on the host below the root of the instance. That is a shared mount, so those that come and
 * go while it runs do so inside, too, and a reboot inside keeps them. They end with the root.
 *
 * A mount that the file does not know was made by a process which was killed before it could say so: it goes first.
 */
export class DiskMounts {
  readonly #place: DiskPlace;
  readonly #file: string;

  constructor(place: DiskPlace) {
    this.#place = place;
    this.#file = join(place.run, "disks.json");
  }

  /**
   * Mounts the disks of `devices`, and unmounts all others; all or nothing. Only one process at a time.
   *
   * @throws {ConfigError} naming the device and its option. @throws {InUseError}
   */
  async change(devices: Devices, { force = false }: DiskChangeOptions = {}): Promise<void> {
    const held = this.#reconcile();
    const wanted = new Map(
      Object.entries(devices).flatMap(([name, one]) => (one.type === "disk" ? [[name, one]] : [])),
    );
    const stays = (name: string, { disk }: Held) => isDeepStrictEqual(disk, wanted.get(name));
    const going = [...held].filter(([name, one]) => !stays(name, one));
    const coming = [...wanted].filter(([name]) => going.some(([other]) => other === name) || !held.has(name));
    if (coming.length > 0) this.#assertShared();
    const copies: DiskSource[] = [];
    try {
      await allOrNothing(async (undo) => {
        for (const [name, one] of going.toSorted(byDepth(([, { disk }]) => disk)).toReversed()) {
          // Opened anew, memory would be empty, and another source might be there by now.
          const copy = copyOf(this.#place.root, one);
          if (copy !== undefined) copies.push(copy);
          this.#detach(name, one, held, force);
          undo(() => (copy === undefined ? this.#attach(name, one.disk, held) : this.#put(name, one.disk, copy, held)));
        }
        for (const [name, disk] of coming.toSorted(byDepth(([, of]) => of))) {
          await this.#attach(name, disk, held);
          undo(() => this.#detach(name, held.get(name), held, true));
        }
      });
    } finally {
      for (const { mount } of copies) closeSync(mount);
    }
  }

  async #attach(name: string, disk: Disk, held: Map<string, Held>): Promise<void> {
    const source = openDiskSource(name, disk, this.#place.idmap);
    if (source === undefined) return;
    try {
      await this.#put(name, disk, source, held);
    } finally {
      closeSync(source.mount);
    }
  }

  async #put(name: string, disk: Disk, source: DiskSource, held: Map<string, Held>): Promise<void> {
    // The id of a mount that is gone may be given to this one: nobody may take it for the device of before.
    this.#write(held);
    const target = await openTarget(this.#place, name, disk, source.isFolder);
    try {
      this.#assertFree(name, pathOf(target), held);
      attachMount(source.mount, target);
    } finally {
      closeSync(target);
    }
    const one = { mount: mountOf(source.mount), disk };
    held.set(name, one);
    try {
      this.#assertSeen(name, disk, source.mount);
      this.#write(held);
    } catch (error) {
      this.#detach(name, one, held, true);
      throw error;
    }
  }

  /** @throws {UnsupportedError} when an earlier release started the run */
  #assertShared(): void {
    const { root, openInside } = this.#place;
    if (openInside === undefined || mountPointsBelow(root).some((one) => one.path === root && one.group !== undefined))
      return;
    const reason = "an earlier release started the instance: stop it, attach the disk, and start it again";
    throw new UnsupportedError({ capability: "attaching a disk to this run", reason });
  }

  #assertFree(name: string, path: string, held: ReadonlyMap<string, Held>): void {
    const there = mountPointsBelow(path).find((one) => one.path === path);
    const [other] = [...held].find(([, { mount }]) => mount === there?.id) ?? [];
    if (other !== undefined)
      throw deviceError(name, "path", `leads to where the device "${other}" is already: choose another`);
  }

  /** @throws {ConfigError} when a mount inside covers it */
  #assertSeen(name: string, { path }: Disk, mount: number): void {
    const root = this.#place.openInside?.();
    if (root === undefined) return;
    try {
      const seen = openInRoot(root, path, O_PATH);
      try {
        const [one, other] = [fstatSync(seen), fstatSync(mount)];
        if (one.dev === other.dev && one.ino === other.ino) return;
      } finally {
        closeSync(seen);
      }
    } catch (error) {
      if (!["ENOENT", "ENOTDIR", "ELOOP"].includes((error as SystemError).code)) throw error;
    } finally {
      closeSync(root);
    }
    throw deviceError(name, "path", `a mount inside covers ${path}, so nobody would see it: choose another path`);
  }

  #detach(name: string, one: Held | undefined, held: Map<string, Held>, force: boolean): void {
    const { root, isInside } = this.#place;
    const points = mountPointsBelow(root);
    const point = points.find(({ id }) => id === one?.mount);
    if (point !== undefined) {
      const inside = point.path.slice(root.length);
      const above = [...held].filter(([, { mount }]) =>
        points.some((other) => other.id === mount && isBelow(other, point)),
      );
      if (above.length > 0)
        throw inUse(
          name,
          above.map(([other]) => `the device "${other}", which is mounted on it`),
        );
      this.#assertBare(name, [point, ...points.filter((other) => isBelow(other, point))]);
      const isTree = points.some((other) => isBelow(other, point));
      if (!force && isTree && usersOf(inside, isInside).length > 0) throw inUse(name, usersOf(inside, isInside));
      try {
        unmountWithin(root, point.id, { lazy: force || isTree });
      } catch (error) {
        if ((error as SystemError).code !== "EBUSY") throw error;
        throw inUse(name, usersOf(inside, isInside), error);
      }
    }
    // The file may name a mount that is gone: so this works on a full disk, too.
    held.delete(name);
  }

  /** The kernel leaves a disk inside, forced or not, if something that was mounted inside is on it. */
  #assertBare(name: string, tree: readonly MountPoint[]): void {
    const inside = this.#place.readMountsInside?.();
    const found = inside === undefined ? [] : mountedOn(tree, parseMounts(inside));
    const hint = "unmount what is mounted on it inside: force does not help";
    if (found.length > 0) throw new InUseError("device", name, found, { hint });
  }

  /** What is mounted, by the name of its device. Unmounts what nobody knows. */
  #reconcile(): Map<string, Held> {
    const { root } = this.#place;
    const points = mountPointsBelow(root).filter(({ path }) => path !== root);
    const written = Object.entries(
      readSmallJson(this.#file, HeldSchema, (): z.output<typeof HeldSchema> => ({})) ?? {},
    );
    const there = written.filter(([, { mount }]) => points.some(({ id }) => id === mount));
    const known = points.filter(({ id }) => there.some(([, { mount }]) => mount === id));
    const strange = points.filter((one) => !known.some((other) => one.id === other.id || isBelow(one, other)));
    for (const { id } of strange.toReversed()) unmountWithin(root, id, { lazy: true });
    return new Map(there.map(([name, one]) => [name, one as unknown as Held]));
  }

  #write(held: ReadonlyMap<string, Held>): void {
    const temporary = `${this.#file}.tmp`;
    writeFileSync(temporary, JSON.stringify(Object.fromEntries(held)), { mode: 0o600 });
    renameSync(temporary, this.#file);
  }
}

function isBelow(one: MountPoint, other: MountPoint): boolean {
  return one.path.startsWith(`${other.path}/`);
}

/** A disk within another one comes after it. */
function byDepth<T>(diskOf: (one: T) => Disk) {
  return (a: T, b: T) => diskOf(a).path.split("/").length - diskOf(b).path.split("/").length;
}

function inUse(name: string, users: readonly string[], cause?: unknown): InUseError {
  const hint = "end what uses it, or detach it with force: true";
  const them = users.length > 0 ? users : ["a program that cannot be seen from here"];
  return new InUseError("device", name, them, { hint, cause });
}
