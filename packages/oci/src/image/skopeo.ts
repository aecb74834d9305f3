import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Abortable, CommandError, ImageError, type RegistryOptions } from "@pileus/core";
import { type Spawn, TOOL_ENV } from "@pileus/core/driver";
import { type ImageReference, renderReference } from "./reference.ts";
import { translateFailure } from "./skopeo-failure.ts";
import { STALL_TIMEOUT, StallWatch } from "./stall-watch.ts";

/** What is the same for every call of skopeo during one import. */
export interface SkopeoContext {
  readonly reference: ImageReference;
  readonly registry: RegistryOptions;
  /** A trust policy (containers-policy.json(5)); see {@link trustPolicy}. */
  readonly policy: string;
  /**
   * Scratch space, on the store's own file system. Skopeo runs in it: what a path of the store looks like cannot
   * confuse its syntax.
   */
  readonly folder: string;
  /** Bytes of the longest file that an archive may be unpacked to. */
  readonly maxBytes: number;
  /** Milliseconds in which something must arrive from a registry. Default: {@link STALL_TIMEOUT}. */
  readonly stallTimeout?: number | undefined;
}

/** The trust policy of the system, where an administrator has put it. */
const SYSTEM_POLICY = "/etc/containers/policy.json";

/**
 * The trust policy to use: the caller's, else the system's, else one made here that accepts what is not signed. Skopeo
 * refuses to work without one. What an administrator demands is thus never weakened; content is checked against its
 * digests in any case.
 */
export async function trustPolicy(folder: string, chosen: string | undefined): Promise<string> {
  if (chosen !== undefined) return resolve(chosen);
  if (existsSync(SYSTEM_POLICY)) return SYSTEM_POLICY;
  const path = join(folder, "policy.json");
  await writeFile(path, JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
  return path;
}

/** argv of `skopeo inspect` that prints the very bytes of the manifest, or of the config. */
export function renderInspect(context: SkopeoContext, what: "manifest" | "config", digest?: string): string[] {
  const { reference, registry } = context;
  return [
    ...renderGlobal(context),
    "inspect",
    "--raw",
    ...(what === "config" ? ["--config"] : []),
    ...(registry.tlsVerify === false ? ["--tls-verify=false"] : []),
    ...(registry.certDir === undefined ? [] : ["--cert-dir", registry.certDir]),
    ...(registry.authFile === undefined ? [] : ["--authfile", registry.authFile]),
    renderReference(reference, digest),
  ];
}

/** argv of the `skopeo copy` that brings blobs as they are into the OCI layout `layout` of the folder. */
export function renderCopy(
  context: SkopeoContext,
  options: { readonly digest?: string | undefined; readonly all?: boolean | undefined },
): string[] {
  const { reference, registry } = context;
  return [
    ...renderGlobal(context),
    "copy",
    "--quiet",
    ...(options.all ? ["--all"] : []),
    // The digests of the manifest must go on holding: no recompression.
    "--dest-oci-accept-uncompressed-layers",
    // A layout cannot hold signatures; the policy has judged them by then.
    "--remove-signatures",
    ...(registry.tlsVerify === false ? ["--src-tls-verify=false"] : []),
    ...(registry.certDir === undefined ? [] : ["--src-cert-dir", registry.certDir]),
    ...(registry.authFile === undefined ? [] : ["--src-authfile", registry.authFile]),
    renderReference(reference, options.digest),
    "oci:layout:image",
  ];
}

function renderGlobal({ policy }: SkopeoContext): string[] {
  return [SKOPEO, "--policy", policy, "--tmpdir", "tmp"];
}

/**
 * Runs skopeo, which writes no file longer than `maxFile`: it takes whatever a registry sends, declared or not. An abort
 * ends it, and so does a registry that says nothing for too long. What it complains about becomes an error of the contract, which it is the cause of. */
export async function runSkopeo(
  spawn: Spawn,
  context: SkopeoContext,
  argv: readonly string[],
  options: Abortable & { readonly maxFile: number },
): Promise<string> {
  const { reference, folder } = context;
  using watch =
    reference.transport === "docker"
      ? new StallWatch({
          folders: ["tmp", "layout", "layout/blobs/sha256"].map((name) => join(folder, name)),
          timeout: context.stallTimeout ?? STALL_TIMEOUT,
          peer: `registry ${reference.registry}`,
          signal: options.signal,
        })
      : undefined;
  const signal = watch?.signal ?? options.signal;
  const surroundings = { cwd: context.folder, env: skopeoEnvironment(), diesWithUs: true };
  try {
    const bounds = { file: options.maxFile };
    const { stdout } = await spawn(argv, { ...surroundings, bounds, fromPackage: SKOPEO, signal });
    return stdout;
  } catch (error) {
    if (error instanceof CommandError && TOO_LONG.test(error.stderr))
      throw new ImageError(
        renderReference(context.reference),
        `it has a file of more than ${options.maxFile} bytes, the most that it may have, or the disk is full`,
        { cause: error },
      );
    if (error instanceof CommandError) throw translateFailure(context.reference, error);
    throw error;
  }
}

/** setrlimit(2), RLIMIT_FSIZE: a write beyond it gives EFBIG. Of a compressed docker-archive only this much is said. */
const TOO_LONG = /file too large|short write/i;

/** The tool, and the package of Debian that has it. */
export const SKOPEO = "skopeo";

/** Tools get none of our environment, but a proxy is the host's own fact: net/http of Go reads these. */
function skopeoEnvironment(): Record<string, string> {
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  const inherited = proxies.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...TOOL_ENV, ...Object.fromEntries(inherited) };
}
