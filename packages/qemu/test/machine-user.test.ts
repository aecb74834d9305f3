import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "@pileus/core";
import { SPARE_ID } from "@pileus/core/driver";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { confined } from "../src/confine.ts";
import { groupsFor } from "../src/kvm-group.ts";
import { machineIds, machineUser, trialUser, type UserFiles } from "../src/machine-user.ts";
import { makeInstance } from "./support/instance.ts";

const ALL_IDS = "         0          0 4294967295\n";

/** A host with these texts; we are root there, or another user. */
async function onHost(texts: { passwd?: string; ids?: string; uid?: number } = {}): Promise<UserFiles> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-users-"));
  const euid = vi.spyOn(process, "geteuid").mockReturnValue(texts.uid ?? 0);
  onTestFinished(async () => {
    euid.mockRestore();
    await rm(folder, { recursive: true });
  });
  const passwd = join(folder, "passwd");
  const map = join(folder, "map");
  await writeFile(passwd, texts.passwd ?? "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n");
  await writeFile(map, texts.ids ?? ALL_IDS);
  return { passwd, uidMap: map, gidMap: map };
}

/** The file of a map with the ids below this one. */
async function idsBelow(id: number): Promise<string> {
  return (await onHost({ ids: `0 1000000 ${id}\n` })).uidMap;
}

async function userOf(user: string | undefined, files: UserFiles) {
  await using instance = await makeInstance({ config: { qemu: user === undefined ? {} : { user } } });
  return await machineUser(instance.context, files);
}

describe("the user of a machine", () => {
  it("is the id that the engine gives it, which no other machine has", async () => {
    const files = await onHost();
    await using instance = await makeInstance();
    const { config, idmap } = instance.context;
    expect(machineIds(config)).toMatchObject({ mode: "isolated", use: "process", count: 1 });
    expect(await userOf(undefined, files)).toEqual({ uid: idmap?.base, gid: idmap?.base });
    await expect(machineUser({ config }, files)).rejects.toThrow(TypeError);
  });

  it("is an account of the host, with its group, when the configuration names one", async () => {
    expect(await userOf("nobody", await onHost())).toEqual({ uid: 65534, gid: 65533 });
  });

  it("stays root by request", async () => {
    expect(await userOf("root", await onHost())).toBeUndefined();
    await using instance = await makeInstance({ config: { qemu: { user: "root" } } });
    expect(machineIds(instance.context.config)).toBeUndefined();
  });

  it("is our own if we are not root, and the configuration cannot name another", async () => {
    const files = await onHost({ uid: 65534 });
    await using instance = await makeInstance();
    expect(machineIds(instance.context.config)).toBeUndefined();
    expect(await userOf(undefined, files)).toBeUndefined();
    expect(await userOf("nobody", files)).toBeUndefined();
    await expect(userOf("root", files)).rejects.toMatchObject({ missing: [{ need: "root" }] });
  });

  it("is refused when the host has no such account", async () => {
    const refused = userOf("qemu-runner", await onHost());
    await expect(refused).rejects.toThrow(HostError);
    await expect(refused).rejects.toMatchObject({ missing: [{ need: "user:qemu-runner" }] });
  });

  it("is refused when our user namespace does not have its id", async () => {
    const files = await onHost({ ids: "0 1000000 65536\n" });
    await expect(userOf(undefined, files)).rejects.toMatchObject({ missing: [{ need: "ids" }] });
    expect(await userOf("nobody", files)).toEqual({ uid: 65534, gid: 65533 });
    // The first id that is missing, of each kind.
    const [all, withoutUser, withoutGroup] = [await onHost(), await idsBelow(65534), await idsBelow(65533)];
    for (const fewer of [{ uidMap: withoutUser }, { gidMap: withoutGroup }])
      await expect(userOf("nobody", { ...all, ...fewer })).rejects.toMatchObject({ missing: [{ need: "ids" }] });
  });

  it("is refused at create, before anything is made", async () => {
    await using instance = await makeInstance({ config: { qemu: { user: "no-such-account" } } });
    const { QemuBackend } = await import("../src/backend.ts");
    const unused = (): never => {
      throw new Error("this test needs nothing from the host");
    };
    const { context } = instance;
    const parts = { spawn: unused, accelerator: unused, bootAssets: { get: unused } as never };
    const backend = new QemuBackend({ context: { folder: context.folder, hostId: "abcdefghij" }, ...parts });
    await expect(backend.materialize(context, {})).rejects.toMatchObject({
      missing: [{ need: "user:no-such-account" }],
    });
  });
});

describe("the user of a QEMU that runs no machine", () => {
  it("is an id that no machine has", async () => {
    expect(await trialUser(await onHost())).toEqual({ uid: SPARE_ID, gid: SPARE_ID });
  });

  it("is nobody in a user namespace without that id, and else root, whose capabilities it does not have", async () => {
    const all = await onHost();
    for (const fewer of ["uidMap", "gidMap"] as const) {
      expect(await trialUser({ ...all, [fewer]: await idsBelow(65_535) })).toEqual({ uid: 65_534, gid: 65_534 });
      expect(await trialUser({ ...all, [fewer]: await idsBelow(65_534) })).toEqual({ uid: 0, gid: 0 });
    }
  });

  it("is our own if we are not root", async () => {
    expect(await trialUser(await onHost({ uid: 1000 }))).toBeUndefined();
  });
});

describe("the command line of a confined QEMU", () => {
  it("gives up every right before the program runs", () => {
    expect(confined(["qemu", "-S"], { uid: 7, gid: 8, groups: [36] })).toEqual([
      ...["prlimit", "--core=0:0", "--nofile=4096:4096", "--"],
      ...["setpriv", "--reuid=7", "--regid=8", "--groups=36"],
      ...["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--", "qemu", "-S"],
    ]);
    expect(confined(["qemu"], { uid: 7, gid: 8, groups: [] })).toContain("--clear-groups");
  });

  it("bounds the threads of a user that no other process has", () => {
    const alone = confined(["qemu"], { uid: 7, gid: 8, groups: [], isAlone: true });
    expect(alone.slice(0, 5)).toEqual(["prlimit", "--core=0:0", "--nofile=4096:4096", "--nproc=4096:4096", "--"]);
  });

  it("sets the limits also if QEMU runs as our user", () => {
    expect(confined(["qemu"], undefined)).toEqual(["prlimit", "--core=0:0", "--nofile=4096:4096", "--", "qemu"]);
  });
});

describe("KVM", () => {
  it("is not needed by an emulated machine, so its rights do not matter", async () => {
    expect(await groupsFor("tcg", "/nowhere")).toEqual([]);
  });

  it("needs no group when everybody may use it", async () => {
    expect(await groupsFor("kvm", "/dev/null")).toEqual([]);
  });

  it("is refused when only root may use it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-kvm-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const device = join(folder, "kvm");
    await writeFile(device, "", { mode: 0o600 });
    await expect(groupsFor("kvm", device)).rejects.toMatchObject({ missing: [{ need: `device:${device}` }] });
    // QEMU in root's group could read what only root's group may.
    const ofGroup = (gid: number) => groupsFor("kvm", device, async () => ({ mode: 0o020660, gid }));
    await expect(ofGroup(0)).rejects.toMatchObject({ missing: [{ need: `device:${device}` }] });
    expect(await ofGroup(36)).toEqual([36]);
  });
});
