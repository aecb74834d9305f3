import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommonConfigSchema } from "@pileus/core";
import type { ImageTree, InstanceContext } from "@pileus/core/driver";
import { QemuSectionSchema } from "../../src/section.ts";

export const UUID = "6f9c2b1e-3a5d-4c8f-9b7a-0d1e2f3a4b5c";

export interface FakeInstance extends AsyncDisposable {
  readonly context: InstanceContext;
}

/** An instance as a driver sees it, in its own folder. Disposing removes the folder. */
export async function makeInstance(
  options: { readonly uuid?: string; readonly tree?: ImageTree; readonly config?: Record<string, unknown> } = {},
): Promise<FakeInstance> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-"));
  const { qemu, ...common } = options.config ?? {};
  const config = CommonConfigSchema.parse({ name: "vm", driver: "qemu", image: "fixture", ...common });
  for (const name of ["run", "log", "sbin"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "sbin/init"), "", { mode: 0o755 });
  const layers = { kind: "layers", layers: [folder], merged: async () => folder } as const;
  return {
    context: {
      name: config.name,
      uuid: options.uuid ?? UUID,
      key: options.uuid ?? UUID,
      config: { ...config, qemu: QemuSectionSchema.parse(qemu) },
      image: {
        kind: "rootfs",
        fingerprint: `sha256:${"ab".repeat(32)}`,
        architecture: "amd64",
        size: 1,
        createdAt: 0,
        source: "fixture",
        aliases: [],
        layers: [],
        properties: {},
      },
      tree: options.tree ?? layers,
      idmap: { base: 2_013_265_920, count: 1 },
      nics: [],
      folder,
      run: join(folder, "run"),
      log: join(folder, "log"),
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
