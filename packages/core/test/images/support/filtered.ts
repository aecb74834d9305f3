import { ImageError } from "../../../src/errors/all.ts";
import { LayerFilter, type LayerFindings } from "../../../src/images/layer/filter.ts";
import type { LayerLimits } from "../../../src/images/layer/limits.ts";
import { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import type { TarEntry } from "../../../src/tar/entry.ts";
import { TarReader } from "../../../src/tar/reader.ts";
import { type RawEntry, tarBytes } from "./tar-bytes.ts";

/** What the filter found in a layer, and what it let through. */
export interface Filtered {
  readonly findings: LayerFindings;
  /** In the order in which they first came; folders as they came last. The root comes last. */
  readonly entries: TarEntry[];
}

/** Filters a layer of such entries, over the tree `lower` when there is one. */
export function filtered(
  entries: readonly (RawEntry | Buffer)[],
  options: { lower?: string; whiteouts?: boolean; owner?: { uid: number; gid: number } } & Partial<LayerLimits> = {},
): Filtered {
  const lower = new LowerLayers(options.lower === undefined ? [] : [{ tree: options.lower, opaque: [] }]);
  const filter = new LayerFilter({
    image: "img",
    lower,
    whiteouts: options.whiteouts ?? true,
    limits: { bytes: 1e6, entries: 1000, memory: 1e6, ...options },
    owner: options.owner,
  });
  const reader = new TarReader((fault) => new ImageError("img", fault.message), filter);
  reader.push(tarBytes(...entries));
  reader.end();
  const findings = finished(filter);
  const out: TarEntry[] = [];
  const folders = new Map<string, number>();
  const check = new TarReader((fault) => new ImageError("out", fault.message), {
    entry: (entry) => {
      const before = entry.type === "directory" ? folders.get(entry.name) : undefined;
      if (entry.type === "directory") folders.set(entry.name, before ?? out.length);
      out[before ?? out.length] = entry;
    },
    data: () => undefined,
  });
  check.push(filter.output.take());
  check.end();
  return { findings, entries: out };
}

/** Takes all steps of the end. */
function finished(filter: LayerFilter): LayerFindings {
  const steps = filter.finish();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** What was let through but for the root, an entry a line. */
export const lines = ({ entries }: Filtered) =>
  entries
    .filter(({ name }) => name !== "./")
    .map(({ type, name, target }) => `${type} ${name}${target === "" ? "" : ` -> ${target}`}`);

/** What is there in the end: what was let through, then links to lower layers and what takes the place of something. */
export function finalLines(result: Filtered): string[] {
  const { lowerLinks, replacements, staging } = result.findings;
  let there = [...new Set(lines(result)), ...[...lowerLinks.keys()].map((name) => `lower-link ${name}`)];
  const within = (name: string, folder: string) => name === folder || name.startsWith(`${folder}/`);
  const nameOf = (line: string) => line.split(" ")[1] ?? "";
  for (const { path, by } of replacements) {
    there = there.filter((line) => !within(nameOf(line), path));
    if (by === undefined) continue;
    there = there.map((line) => (within(nameOf(line), by) ? line.replace(by, path) : line));
  }
  return there.filter((line) => staging === undefined || !within(nameOf(line), staging)).sort();
}
