import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Image, Images } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { writeOciLayout } from "@pileus/oci";
import { debianTar } from "../../test-support/debian.ts";
import { redisLayerTar } from "../../test-support/redis-layer.ts";
import { startRegistry } from "../../test-support/registry.ts";

type Say = (line: string) => void;

/** A Debian root file system, bootstrapped once. */
export async function importDebian(images: Images, say: Say, signal: AbortSignal): Promise<Image> {
  const base = await debianTar(say, signal);
  say("importing the Debian root file system");
  return images.import(base, { aliases: ["debian"], onProgress: reporter(say), signal });
}

/**
 * Redis as an OCI image of two layers, with the same Debian below: built, pushed to a registry on 127.0.0.1 and
 * imported from there.
 */
export async function importRedis(images: Images, say: Say, signal: AbortSignal): Promise<Image> {
  const base = await debianTar(say, signal);
  return throughRegistry([base, await redisLayerTar(base, say, signal)], images, say, signal);
}

async function throughRegistry(tars: readonly string[], images: Images, say: Say, signal: AbortSignal): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-quickstart-"));
  try {
    say("building the redis image");
    await writeOciLayout({
      folder,
      tag: "redis",
      layers: tars.map((tar) => ({ tar })),
      config: {
        entrypoint: ["redis-server"],
        // The empty argument turns saving off: redis must not write to its working directory.
        cmd: ["--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""],
        env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        workdir: "/var/lib/redis",
        user: "redis",
        stopSignal: "SIGTERM",
      },
      signal,
    });
    await using registry = await startRegistry({ signal });
    const reference = `docker://${registry.address}/redis:7`;
    say(`pushing it to ${reference}`);
    await spawn(["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", `oci:${folder}:redis`, reference], {
      fromPackage: "skopeo",
      signal,
    });
    say("importing it from there");
    return await images.import(reference, {
      aliases: ["redis"],
      registry: { tlsVerify: false },
      onProgress: reporter(say),
      signal,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Says each phase once, and then each quarter of it. */
export function reporter(say: Say): (progress: { phase: string; done: number; total?: number | undefined }) => void {
  let last = "";
  return ({ phase, done, total }) => {
    const part = total ? ` ${Math.floor((done / total) * 4) * 25} %` : "";
    if (`${phase}${part}` === last) return;
    last = `${phase}${part}`;
    say(`  ${last}`);
  };
}
