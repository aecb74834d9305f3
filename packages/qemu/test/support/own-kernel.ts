import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { REQUIRED_MODULES } from "../../src/initramfs/initramfs.ts";
import { collectModules, modulesIn } from "../../src/kernel/modules.ts";
import { KernelSupply } from "../../src/kernel/supply.ts";
import { cache } from "./qemu-subject.ts";

/** The kernel of the cache under other releases, which it reports, as packages of an image would bring it. */
export async function ownKernels() {
  const { kernel, modules = "" } = await new KernelSupply({ given: undefined, spawn }).get(join(cache, "qemu"));
  const release = /kernel-([^/]+)\/kernel$/.exec(kernel)?.[1] ?? "";
  const image = await readFile(kernel);
  const [needed = []] = await collectModules(modulesIn(modules), [["virtio_pci", "virtio_mmio", ...REQUIRED_MODULES]]);
  return {
    /** Of the same length, and newer with a higher number. */
    variant: (number: number) => `${release.slice(0, -2)}${String(number).padStart(2, "0")}`,
    /** Puts `vmlinuz-RELEASE` into one folder and the modules into another. */
    async install(variant: string, boot: string, library: string): Promise<void> {
      await mkdir(boot, { recursive: true });
      await mkdir(join(library, "kernel"), { recursive: true });
      await writeFile(join(boot, `vmlinuz-${variant}`), renamed(image, release, variant));
      await writeFile(join(library, "modules.builtin"), await readFile(join(modules, "modules.builtin")));
      // The kernel loads only modules that name its release, and none whose signature is wrong.
      for (const { name, content } of needed)
        await writeFile(join(library, "kernel", `${name}.ko`), renamed(unsigned(content), release, variant));
    },
  };
}

function renamed(bytes: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(from); at !== -1; at = copy.indexOf(from, at + 1)) copy.write(to, at, "latin1");
  return copy;
}

/** Linux, Documentation/admin-guide/module-signing.rst: without the last line, the module has no signature. */
function unsigned(module: Buffer): Buffer {
  const mark = "~Module signature appended~\n";
  return module.toString("latin1", module.length - mark.length) === mark ? module.subarray(0, -mark.length) : module;
}
