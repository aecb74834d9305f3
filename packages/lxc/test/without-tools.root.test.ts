import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openHost } from "@pileus/core";
import { findTool, spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";

it(
  "deletes a stopped container if liblxc's tools are no longer installed",
  requires(subject.needs ?? [], async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-tools-"));
    try {
      await using host = await openHost({ root, drivers: [lxc()] });
      const instance = await host.create({ driver: "lxc", name: "bereft", image: await subject.image(host) });
      await instance.start();
      await instance.stop({ mode: "kill" });
      // Only for the child, in its own mount namespace.
      const hide = ["lxc-start", "lxc-attach"].map((tool) => `mount --bind /dev/null '${findTool(tool)}'`);
      const script = fileURLToPath(new URL("support/delete.ts", import.meta.url));
      const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", script, root, "bereft"];
      await spawn(["unshare", "--mount", "sh", "-c", `${hide.join(" && ")} && exec "$@"`, "sh", ...node], {
        cwd: import.meta.dirname,
      });
      await expect(host.get("bereft")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
      expect(await leftovers(root)).toEqual([]);
    } finally {
      await rm(root, { recursive: true });
    }
  }),
);

it(
  "says before a start that the cgroups are read-only, and what to do",
  requires(subject.needs ?? [], async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-cgroups-"));
    try {
      await using host = await openHost({ root, drivers: [lxc()] });
      const instance = await host.create({ driver: "lxc", name: "stuck", image: await subject.image(host) });
      const start = `const { openHost } = await import("@pileus/core");
        const { lxc } = await import(${JSON.stringify(import.meta.resolve("../src/index.ts"))});
        const host = await openHost({ root: process.argv[1], drivers: [lxc()] });
        const { missing } = (await host.doctor()).drivers.lxc;
        const error = await (await host.get("stuck")).start().catch((error) => error);
        console.log(JSON.stringify({ code: error.code, missing: error.missing, told: missing }));
        await host[Symbol.asyncDispose]();`;
      // Only for the child, in its own mount namespace.
      const freeze =
        "for m in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts); do mount -o remount,bind,ro $m; done";
      const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", "--input-type=module"];
      const argv = ["unshare", "--mount", "sh", "-c", `${freeze}; exec "$@"`, "sh", ...node, "-e", start, root];
      const { code, missing, told } = JSON.parse((await spawn(argv, { cwd: import.meta.dirname })).stdout);
      expect({ code, missing }).toMatchObject({ code: "ERR_HOST", missing: [{ need: "cgroup" }] });
      expect(missing[0].reason).toMatch(/^they cannot be written: \/sys\/fs\/cgroup/);
      expect(told).toEqual(missing);
      await instance.delete();
    } finally {
      await rm(root, { recursive: true });
    }
  }),
);
