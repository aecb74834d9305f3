import type { ImageDescription } from "../../contract/image-source.ts";
import { ImageError } from "../../errors/all.ts";
import type { Architecture } from "../../model/image.ts";
import { hostArchitecture } from "../../system/architecture.ts";
import type { Draft } from "../draft.ts";
import { fingerprintOf } from "../fingerprint.ts";
import { rootfsFacts } from "../rootfs-facts.ts";

/**
 * Describes the layers of a draft as a rootfs image, with facts from its tree. @throws {ImageError} when it is for
 * another architecture
 */
export async function describeRootfs(
  name: string,
  draft: Draft,
  wanted: Architecture | undefined,
  properties: Readonly<Record<string, string>> = {},
): Promise<ImageDescription> {
  const layers = draft.layers.map(({ stored }) => stored);
  if (layers.every(({ entries }) => entries === 0)) throw new ImageError(name, "it is empty");
  const { architecture: found, os, release } = await rootfsFacts(name, draft.layerFolders);
  if (found !== undefined && wanted !== undefined && found !== wanted)
    throw new ImageError(name, `its programs are for ${found}, not ${wanted}`);
  const architecture = found ?? wanted ?? hostArchitecture();
  const diffIds = layers.map(({ diffId }) => diffId);
  return {
    kind: "rootfs",
    architecture,
    fingerprint: fingerprintOf({ kind: "rootfs", architecture, diffIds }),
    os,
    release,
    properties: { ...properties },
  };
}
