import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { writeLayerDiff } from "./layer-diff.ts";

/**
 * The layer that adds redis from Debian's packages to the Debian of `debianTar()`. It is made once, beside that tar.
 */
export async function redisLayerTar(
  base: string,
  say: (line: string) => void = () => {},
  signal?: AbortSignal,
): Promise<string> {
  const layer = join(dirname(base), "redis-layer-v1.tar");
  if (existsSync(layer)) return layer;
  const full = `${layer}.${process.pid}.full.tar`;
  const draft = `${layer}.${process.pid}.tar`;
  say("installing redis from Debian's packages on top of it (about ten seconds, once)");
  try {
    await spawn(
      [
        "mmdebstrap",
        "--variant=custom",
        "--include=redis-server",
        "--skip=check/empty",
        `--setup-hook=tar-in ${shellQuote(base)} /`,
        "bookworm",
        full,
      ],
      { env: { ...(process.env as Record<string, string>), LC_ALL: "C.UTF-8" }, fromPackage: "mmdebstrap", signal },
    );
    await writeLayerDiff(base, full, draft);
    await rename(draft, layer);
  } finally {
    await rm(full, { force: true });
    await rm(draft, { force: true });
  }
  return layer;
}

/** mmdebstrap(1) parses a hook as shell words. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
