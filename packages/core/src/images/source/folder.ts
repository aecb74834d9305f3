import type { ImportOptions } from "../../contract/images.ts";
import { CommandError, ConfigError, ImageError } from "../../errors/all.ts";
import { linkSignals } from "../../flow/deadline.ts";
import { startTool } from "../../system/stream-tool.ts";
import type { Draft } from "../draft.ts";
import { isLayout } from "../import-hint.ts";
import type { LocalSource } from "./detect.ts";
import type { ImageOrigin } from "./origin.ts";
import { describeRootfs } from "./rootfs.ts";

/** A root file system in a folder. It has no identity, because only reading shows whether it has changed. */
export function folderOrigin(name: string, source: LocalSource): ImageOrigin {
  if (isLayout(source.path))
    throw new ConfigError("image source", [
      { path: [], message: `${name} is an OCI layout and no root file system: write oci:${name}` },
    ]);
  return {
    name,
    lock: source.path,
    async load(draft, options) {
      await addFolder(name, draft, source.path, options);
      return describeRootfs(name, draft, options.architecture);
    },
  };
}

/**
 * Adds a folder as a layer, through a tar that depends only on the tree: equal trees have equal diff IDs. Mounts in the
 * folder are left out.
 */
export async function addFolder(name: string, draft: Draft, folder: string, options: ImportOptions): Promise<void> {
  using failing = linkSignals(options.signal);
  const tar = startTool(createArgv(folder), { fromPackage: "tar", signal: failing.signal });
  tar.stdin.end();
  try {
    await draft.addLayer({ open: async () => tar.stdout, digest: options.digest, whiteouts: false });
    await tar.succeeded();
  } catch (error) {
    options.signal?.throwIfAborted();
    // If tar fails, the reader only sees an archive that ends too soon.
    const failure =
      error instanceof ImageError ? await failureOf(tar.succeeded(), tar.stdout.readableEnded) : undefined;
    if (failure === undefined) throw error;
    throw new ImageError(name, `the folder cannot be read: ${failure.message}`, { cause: failure });
  } finally {
    failing.abort();
    await tar.gone();
  }
}

async function failureOf(end: Promise<void>, ended: boolean): Promise<CommandError | undefined> {
  if (!ended) return undefined;
  const [result] = await Promise.allSettled([end]);
  return result.status === "rejected" && result.reason instanceof CommandError ? result.reason : undefined;
}

function createArgv(folder: string): string[] {
  return [
    "tar",
    "--create",
    "--file=-",
    `--directory=${folder}`,
    "--sort=name",
    "--numeric-owner",
    "--one-file-system",
    "--xattrs",
    "--xattrs-include=*",
    "--format=posix",
    // By default the name holds tar's pid, and the times are those of reading.
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
    "--blocking-factor=512",
    ".",
  ];
}
