import type { ImportOptions } from "../../contract/images.ts";
import { CommandError, ConfigError, HostError, ImageError, TimeoutError } from "../../errors/all.ts";
import { Deadline, linkSignals } from "../../flow/deadline.ts";
import type { DebianBootstrap } from "../../model/debian.ts";
import { DebianSchema } from "../../model/debian.ts";
import { parse } from "../../model/parse.ts";
import { hostArchitecture } from "../../system/architecture.ts";
import { missingTools } from "../../system/find-tool.ts";
import { spawn } from "../../system/spawn.ts";
import { startTool } from "../../system/stream-tool.ts";
import { TOOL_ENV } from "../../system/tool-env.ts";
import { hashOf } from "../fingerprint.ts";
import type { ImageOrigin } from "./origin.ts";
import { describeRootfs } from "./rootfs.ts";

const DEFAULT_MIRROR = "http://deb.debian.org/debian";

const ROOT = {
  need: "root",
  reason: "mmdebstrap makes file systems of many owners and mounts in them",
  fix: "run as root, or import a tar that was made elsewhere",
};

/** The programs of a bootstrap, and the packages of Debian that have them. */
export const DEBIAN_TOOLS = { mmdebstrap: "mmdebstrap", unshare: "util-linux" } as const;

/**
 * A Debian made here by mmdebstrap(1), which checks the signatures of everything that it fetches. The options of the
 * import identify it: it is made once, and again only after the image was deleted.
 *
 * @throws {ConfigError}
 */
export async function debianOrigin(source: DebianBootstrap, options: ImportOptions): Promise<ImageOrigin> {
  const asked = parse(DebianSchema, source, "image source");
  if (options.digest !== undefined)
    throw new ConfigError("import options", [
      { path: ["digest"], message: "a bootstrap has none that is known before" },
    ]);
  const { suite, variant, customize, checkValidUntil } = asked;
  const packages = [...new Set(asked.packages)].sort();
  const mirror = asked.mirror ?? (await hostMirror(options.signal)) ?? DEFAULT_MIRROR;
  const architecture = options.architecture ?? hostArchitecture();
  const made = { suite, variant, packages, mirror, architecture };
  const more = { ...(customize.length > 0 && { customize }), ...(!checkValidUntil && { checkValidUntil }) };
  const identity = { type: "debian", ...made, ...more };
  const name = ["debian", suite, ...(packages.length > 0 ? [packages.join(",")] : [])].join(":");
  return {
    name,
    lock: identity,
    identity,
    async load(draft, { signal, onProgress }) {
      const missing = process.geteuid?.() === 0 ? missingTools(DEBIAN_TOOLS) : [ROOT];
      if (missing.length > 0) throw new HostError(`make image ${name}`, missing);
      using failing = linkSignals(signal);
      const tool = startTool(bootstrapArgv({ ...made, customize, checkValidUntil }), {
        fromPackage: "mmdebstrap",
        signal: failing.signal,
        env: { ...TOOL_ENV, ...proxies(), TMPDIR: draft.folder },
        onLine: (line) => {
          const step = /^I: ([a-z][^/]{0,80}?)(\.\.\.)?$/.exec(line)?.[1];
          if (step !== undefined) report(step);
        },
      });
      let listenerFailure: { readonly error: unknown } | undefined;
      const report = (step: string) => {
        try {
          onProgress?.({ phase: `bootstrap: ${step}`, done: 0 });
        } catch (error) {
          listenerFailure = { error };
          failing.abort(error);
        }
      };
      tool.stdin.end();
      try {
        await draft.addLayer({ open: async () => tool.stdout, whiteouts: false });
        await tool.succeeded();
      } catch (error) {
        signal?.throwIfAborted();
        if (listenerFailure !== undefined) throw listenerFailure.error;
        throw await explain(name, error, tool.succeeded(), tool.stdout.readableEnded);
      } finally {
        failing.abort();
        await tool.gone();
      }
      return describeRootfs(name, draft, architecture, { suite, variant, mirror, bootstrap: hashOf(identity) });
    },
  };
}

/** A failed bootstrap produces an archive that is empty or cut off: its own message is the cause. */
async function explain(name: string, error: unknown, end: Promise<void>, ended: boolean): Promise<unknown> {
  if (!ended) return error;
  const [result] = await Promise.allSettled([end]);
  if (result.status === "fulfilled") return error;
  const failure: unknown = result.reason;
  if (failure instanceof HostError || !(failure instanceof CommandError)) return failure;
  return bootstrapError(name, failure);
}

/** Exported for its tests. Not every failure is mmdebstrap's own: unshare(1) may be refused, or apt killed. */
export function bootstrapError(name: string, failure: CommandError): ImageError {
  const lines = failure.stderr.trimEnd().split("\n");
  const reasons = lines.filter((one) => /^(E:|W: .*not trusted)/.test(one));
  // The last ones only say which tool failed.
  const line = reasons.findLast((one) => !/ failed( to run)?$/.test(one)) ?? reasons.at(-1) ?? lines.at(-1);
  const hint = /^E: Release file .* is expired/.test(line ?? "")
    ? "; checkValidUntil: false takes it all the same"
    : "";
  return new ImageError(name, `mmdebstrap failed${line ? `: ${line}${hint}` : ""}`, { cause: failure });
}

/** Exported for its tests. */
export function bootstrapArgv(what: {
  readonly suite: string;
  readonly variant: string;
  readonly packages: readonly string[];
  readonly mirror: string;
  readonly architecture: string;
  readonly customize: readonly (readonly string[])[];
  readonly checkValidUntil: boolean;
}): string[] {
  return [
    // In a pid namespace of its own: all its processes die with it, and its mounts with their namespace.
    ...["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"],
    ...["mmdebstrap", "--mode=root", "--format=tar", `--variant=${what.variant}`],
    `--architectures=${what.architecture}`,
    ...(what.packages.length > 0 ? [`--include=${what.packages.join(",")}`] : []),
    // apt.conf(5). mmdebstrap leaves it in the root, as other options of apt: what is old here is old inside, too.
    ...(what.checkValidUntil ? [] : ['--aptopt=Acquire::Check-Valid-Until "false"']),
    // mmdebstrap(1): a hook is a command of a shell, whose first argument is the new root.
    ...what.customize.map((argv) => `--customize-hook=chroot "$1" ${argv.map(quote).join(" ")}`),
    what.suite,
    "-",
    // Without a mirror it takes Debian's own with the security and update archives.
    ...(what.mirror.replace(/\/$/, "") === DEFAULT_MIRROR ? [] : [what.mirror]),
  ];
}

/** A word that a shell takes as it is. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The Debian mirror of the host's apt; nothing on other systems. */
async function hostMirror(signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    // It uses no network, and reads a few files.
    using deadline = new Deadline({ action: "apt-get update --print-uris", timeout: 30_000, signal });
    const options = { diesWithUs: true, signal: deadline.signal };
    return parseMirror((await spawn(["apt-get", "update", "--print-uris"], options)).stdout);
  } catch (error) {
    signal?.throwIfAborted();
    if ([HostError, CommandError, TimeoutError].some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

/**
 * The first archive that is a mirror of Debian's by its path: other vendors' lie deeper, security updates beside it.
 */
export function parseMirror(printedUris: string): string | undefined {
  return /^'(https?:\/\/[^/\s']+\/debian)\/dists\/[a-z]+\/InRelease'/m.exec(printedUris)?.[1];
}

/** The proxy settings of this process, as apt and other tools read them from the environment. */
function proxies(): Record<string, string> {
  const names = ["http_proxy", "https_proxy", "no_proxy"];
  const pairs = names.map((name) => [name, process.env[name] ?? process.env[name.toUpperCase()]] as const);
  return Object.fromEntries(pairs.filter((pair): pair is readonly [string, string] => Boolean(pair[1])));
}
