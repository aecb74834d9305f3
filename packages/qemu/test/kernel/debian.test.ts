import { readlinkSync, realpathSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, HostError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { ensureDebianKernel, parseDepends } from "../../src/kernel/debian.ts";
import { compareReleases } from "../../src/kernel/kernel.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-kernel-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const RELEASE = "6.1.0-56-cloud-amd64";

/** apt and dpkg-deb, as far as they are called, with or without lists of packages. */
function fakeTools(options: { readonly lists: boolean }): { spawn: Spawn; calls: string[] } {
  const calls: string[] = [];
  let lists = options.lists;
  const spawn: Spawn = async (argv, { cwd } = {}) => {
    const words = argv.filter((word) => !word.startsWith("-") && !word.startsWith("Dir::"));
    calls.push(words.slice(0, 3).join(" "));
    const [tool, verb, name] = words;
    let stdout = "";
    if (tool === "apt-cache") {
      if (!lists) throw new CommandError({ argv, exitCode: 100 });
      stdout = name?.includes("6.1")
        ? "Depends: kmod, linux-base (>= 4.3~)\n"
        : `Package: x\nDepends: linux-image-${RELEASE} (= 1)\n`;
    } else if (verb === "update") lists = true;
    else if (verb === "download") await writeFile(join(cwd ?? "", `${name}_1_amd64.deb`), "");
    else if (tool === "dpkg-deb") {
      const root = words.at(-1) ?? "";
      await mkdir(join(root, "boot"), { recursive: true });
      await mkdir(join(root, "lib/modules", RELEASE, "kernel"), { recursive: true });
      await writeFile(join(root, "boot", `vmlinuz-${RELEASE}`), "bzImage");
    }
    return { stdout, stderr: "", exitCode: 0 };
  };
  return { spawn, calls };
}

it("downloads what the meta package depends on, and uses the folder the next time", () =>
  inFolder(async (folder) => {
    const { spawn, calls } = fakeTools({ lists: true });
    const kernel = await ensureDebianKernel({ folder, spawn });
    expect(await readFile(kernel.kernel, "utf8")).toBe("bzImage");
    expect(await readdir(kernel.modules ?? "")).toEqual(["kernel"]);
    expect(calls).toContain(`apt-get download linux-image-${RELEASE}`);
    const before = calls.length;
    expect(await ensureDebianKernel({ folder, spawn })).toEqual(kernel);
    expect(calls).toHaveLength(before);
    expect((await readdir(folder)).sort()).toEqual([`kernel-${RELEASE}`, "lock"]);
  }));

it("hands its lock to every tool that writes, so that the next process does not clash with one that is left", () =>
  inFolder(async (folder) => {
    const { spawn } = fakeTools({ lists: false });
    const unheld: string[] = [];
    await ensureDebianKernel({
      folder,
      spawn: async (argv, options) => {
        const isOfLock = (descriptor: number) =>
          readlinkSync(`/proc/self/fd/${descriptor}`) === join(realpathSync(folder), "lock");
        const held = options?.diesWithUs === true && options.descriptors?.some(isOfLock) === true;
        if (!held) unheld.push(argv[0] ?? "");
        return spawn(argv, options);
      },
    });
    expect(unheld).toEqual(["sync"]);
  }));

it("writes the kernel to disk before it gets its final name, and reports a full disk as HostError", () =>
  inFolder(async (folder) => {
    const { spawn } = fakeTools({ lists: true });
    let atSync: string[] | undefined;
    await ensureDebianKernel({
      folder,
      spawn: async (argv, options) => {
        if (argv[0] === "sync") atSync = (await readdir(folder)).filter((name) => name.startsWith("kernel-"));
        return spawn(argv, options);
      },
    });
    expect(atSync).toEqual([]);
    const full: Spawn = async (argv) => {
      throw new CommandError({ argv, exitCode: 1, stderr: "write error: No space left on device" });
    };
    await rm(join(folder, `kernel-${RELEASE}`), { recursive: true });
    const failing: Spawn = (argv, options) => (argv[0] === "dpkg-deb" ? full : spawn)(argv, options);
    const error = await ensureDebianKernel({ folder, spawn: failing }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ missing: [{ need: "disk-space" }] });
    expect(await readdir(folder)).toEqual(["lock"]);
  }));

it("removes what a killed download has left", () =>
  inFolder(async (folder) => {
    await mkdir(join(folder, ".download-killed"));
    await writeFile(join(folder, ".download-killed", "half.deb"), "");
    await ensureDebianKernel({ folder, spawn: fakeTools({ lists: true }).spawn });
    expect((await readdir(folder)).sort()).toEqual([`kernel-${RELEASE}`, "lock"]);
  }));

it("fetches its own package lists if the host has none", () =>
  inFolder(async (folder) => {
    const { spawn, calls } = fakeTools({ lists: false });
    await ensureDebianKernel({ folder, spawn });
    expect(calls).toContain("apt-get update");
  }));

it("downloads once for two concurrent calls", () =>
  inFolder(async (folder) => {
    const { spawn, calls } = fakeTools({ lists: true });
    await Promise.all([ensureDebianKernel({ folder, spawn }), ensureDebianKernel({ folder, spawn })]);
    expect(calls.filter((call) => call.startsWith("apt-get download"))).toHaveLength(1);
  }));

it("rejects with HostError and leaves no file when apt knows no such kernel", () =>
  inFolder(async (folder) => {
    const spawn: Spawn = async (argv) => {
      if (argv[0] === "apt-cache") throw new CommandError({ argv, exitCode: 100 });
      return { stdout: "", stderr: "", exitCode: 0 };
    };
    await expect(ensureDebianKernel({ folder, spawn })).rejects.toThrow(HostError);
    expect(await readdir(folder)).toEqual(["lock"]);
  }));

it("reads the names in Depends, with continued lines and alternatives", () => {
  const record =
    "Package: a\nDepends: linux-image-6.1 (= 1), initramfs-tools (>= 0.120+) | dracut,\n kmod:any\nSize: 1\n";
  expect(parseDepends(record)).toEqual(["linux-image-6.1", "initramfs-tools", "dracut", "kmod"]);
});

it("orders releases by the numbers in them", () => {
  expect(["6.12.3-1-cloud-amd64", "6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64"].sort(compareReleases)).toEqual([
    "6.1.0-9-cloud-amd64",
    "6.1.0-56-cloud-amd64",
    "6.12.3-1-cloud-amd64",
  ]);
});
