import { closeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenUnix, removeOwnCgroup } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { QMP_COMMANDS, QMP_EVENTS, QmpClient } from "../../src/qmp/index.ts";
import { startQemu } from "../../src/start-qemu.ts";

it(
  "uses the names of commands and events that the installed QEMU has",
  requires(["binary:qemu-system-x86_64"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qmp-names-"));
    const path = join(folder, "qmp.sock");
    const folders = { run: folder, log: folder, config: {} };
    const cgroup = `pileus-qmp-names-${process.pid}`;
    const descriptor = listenUnix(path);
    const monitor = ["-chardev", "socket,id=m,fd=3,server=on,wait=off", "-mon", "chardev=m,mode=control"];
    const argv = ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", ...monitor];
    try {
      const keeper = await startQemu(folders, { argv, cgroup, user: undefined, descriptors: [descriptor] });
      await using client = await QmpClient.connect(path, { greetingTimeout: 30_000 });
      const schema = (await client.call("query-qmp-schema")) as readonly { "meta-type": string; name: string }[];
      const names = (type: string) => schema.filter((entry) => entry["meta-type"] === type).map(({ name }) => name);
      expect(names("command")).toEqual(expect.arrayContaining(Object.keys(QMP_COMMANDS)));
      expect(names("event")).toEqual(expect.arrayContaining(Object.keys(QMP_EVENTS)));
      await client.execute("quit");
      await client.closed;
      expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 0 });
    } finally {
      closeSync(descriptor);
      await removeOwnCgroup(cgroup);
      await rm(folder, { recursive: true });
    }
  }),
);
