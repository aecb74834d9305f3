import { createHash } from "node:crypto";
import type { Architecture } from "../model/image.ts";

/** The fingerprint of an image without a config of its own: over its kind, architecture and content. */
export function fingerprintOf(
  content:
    | { readonly kind: "rootfs"; readonly architecture: Architecture; readonly diffIds: readonly string[] }
    | {
        readonly kind: "disk";
        readonly architecture: Architecture;
        readonly format: "qcow2" | "raw";
        readonly digest: string;
      },
): string {
  return hashOf(content);
}

/** The sha256 of a value as JSON with sorted keys: equal values have equal hashes. */
export function hashOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
