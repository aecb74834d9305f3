import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Abortable, CommandError, ImageError, type RegistryOptions } from "@pileus/core";
import { type Spawn, TOOL_ENV } from "@pileus/core/driver";
import { type ImageReference, renderReference } from "./reference.ts";
import { translateFailure } from "./skopeo-failure.ts";
import { STALL_TIMEOUT, StallWatch } from "./stall-watch.ts";

/** What all calls of skopeo during one import share. */
export interface SkopeoContext {
  readonly reference: ImageReference;
  readonly registry: RegistryOptions;
  /** A trust policy (containers-policy.json(5)); see {@link trustPolicy}. */
  readonly policy: string;
  /**
   * Scratch space, on the store's own file system. Skopeo runs in it, so that the path of the store cannot conflict
   * with skopeo's syntax.
   */
  readonly folder: string;
  /** Open files that skopeo inherits: see {@link ImageDraft.descriptors}. */
  readonly descriptors?: readonly number[] | undefined;
  /** The maximum size of a file that an archive is unpacked to, in bytes. */
  readonly maxBytes: number;
  /** The longest time without data from a registry, in milliseconds. Default: {@link STALL_TIMEOUT}. */
  readonly stallTimeout?: number | undefined;
}

/** The trust policy of the system, which an administrator may have installed. */
const SYSTEM_POLICY = "/etc/containers/policy.json";

/**
 * The trust policy to use: the caller's, else the system's, else one made here that accepts unsigned images, because
 * skopeo needs one. So an administrator's policy is never weakened. Content is checked against its digests in any case.
 */
export async function trustPolicy(folder: string, chosen: string | undefined): Promise<string> {
  if (chosen !== undefined) return resolve(chosen);
  if (existsSync(SYSTEM_POLICY)) return SYSTEM_POLICY;
  const path = join(folder, "policy.json");
  await writeFile(path, JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
  return path;
}

/** argv of `skopeo inspect` that prints the exact bytes of the manifest or of the config. */
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

/** argv of the `skopeo copy` that copies blobs unchanged into the OCI layout `layout` of the folder. */
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
    // No recompression: the digests of the manifest must stay valid.
    "--dest-oci-accept-uncompressed-layers",
    // A layout cannot hold signatures; by then the policy has checked them.
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
 * Runs skopeo with a limit of `maxFile` bytes for each file, because it accepts whatever a registry sends, declared or
 * not. An abort ends it, and so does a registry that sends nothing for too long. A failure becomes an error of the
 * contract, with skopeo's as its cause.
 */
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
  const { descriptors } = context;
  const surroundings = { cwd: folder, env: skopeoEnvironment(), diesWithUs: true, descriptors };
  try {
    const bounds = { file: options.maxFile };
    const { stdout } = await spawn(argv, { ...surroundings, bounds, fromPackage: SKOPEO, signal });
    return stdout;
  } catch (error) {
    if (error instanceof CommandError && TOO_LONG.test(error.stderr))
      throw new ImageError(
        renderReference(context.reference),
        `it has a file of more than ${options.maxFile} bytes, which is the limit, or the disk is full`,
        { cause: error },
      );
    if (error instanceof CommandError) throw translateFailure(context.reference, error);
    throw error;
  }
}

/**
 * setrlimit(2), RLIMIT_FSIZE: a write beyond it gives EFBIG. For a compressed docker-archive skopeo reports no more
 * than this.
 */
const TOO_LONG = /file too large|short write/i;

/** The tool, and its package in Debian. */
export const SKOPEO = "skopeo";

/** Tools get none of our environment except the host's proxies: Go's net/http reads these variables. */
function skopeoEnvironment(): Record<string, string> {
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  const inherited = proxies.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...TOOL_ENV, ...Object.fromEntries(inherited) };
}
