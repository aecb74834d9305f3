import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";

const NAME = `pilh${process.pid}`;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `h${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

describe("a managed network on a host that lacks something", () => {
  it(
    "comes up with a dangling /etc/resolv.conf and resolves its instances, and other names once the file exists",
    requires([...NEEDS, "binary:unshare", "overlay"], async () => {
      // What the creator sees in its own mount namespace: the host's /etc, with a dangling link.
      const etc = join(place.folder, "etc");
      await mkdir(etc);
      await symlink("/run/no-such-folder/resolv.conf", join(etc, "resolv.conf"));
      const creator = await place.startCreator(-1, [
        ..."unshare --mount sh -c".split(" "),
        'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"',
        etc,
      ]);
      expect(creator.said).toBe("created");
      await creator.kill();
      const conf = join(place.folder, "networks", NAME, "dnsmasq.conf");
      expect(await readFile(conf, "utf8")).toContain("no-resolv");
      const { attachment, namespace } = await place.instance("a");
      await namespace.dhcp(place.folder);
      expect(await namespace.resolve("a.pileus", attachment.ipv4.gateway)).toEqual([attachment.ipv4.address]);
      await place.networks.restore(new Set([owner("a").uuid]));
      expect(await readFile(conf, "utf8")).not.toContain("no-resolv");
    }),
  );

  it(
    "comes up where the cgroups are read-only",
    requires([...NEEDS, "binary:unshare"], async () => {
      const mounts = "awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts";
      const creator = await place.startCreator(-1, [
        ..."unshare --mount sh -c".split(" "),
        `for mount in $(${mounts}); do mount -o remount,bind,ro "$mount" || exit 1; done; exec "$0" "$@"`,
      ]);
      expect(creator.said).toBe("created");
      await creator.kill();
    }),
  );

  it(
    "comes up where nothing lists the names of protocols (no netbase), and is up for a process that has the list",
    requires([...NEEDS, "binary:unshare", "file:/etc/protocols"], async () => {
      const hidden = 'mount --bind /dev/null /etc/protocols && exec "$0" "$@"';
      const creator = await place.startCreator(-1, [..."unshare --mount sh -c".split(" "), hidden]);
      expect(creator.said).toBe("created");
      await creator.kill();
      expect(await place.networks.create({ name: NAME })).toMatchObject({ up: true });
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
    }),
  );
});
