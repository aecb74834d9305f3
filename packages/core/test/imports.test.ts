import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const SOURCE = fileURLToPath(new URL("../src/", import.meta.url));

/** What a package shows: it joins modules of many folders, and no module of core imports it. */
const isEntryPoint = (file: string) => file.endsWith("index.ts") || !file.includes(sep);

const modules = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** The modules of core that a module imports, by a path below `src`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), "utf8");
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path = ""]) =>
    relative(SOURCE, resolve(join(SOURCE, dirname(file)), path)),
  );
}

/** Every folder of core that has folders of its own, and core itself. */
const parents = [...new Set(modules.flatMap((file) => ancestorsOf(file).slice(1)))];

/** The folders that a module is in, from its own one up to `src`, which is `""`. */
function ancestorsOf(file: string): string[] {
  const folder = dirname(file);
  return folder === "." ? [""] : [folder, ...ancestorsOf(folder)];
}

/** The room of a module within `parent`: a folder, which ends with a slash, or a file that lies beside the folders. */
function roomIn(parent: string, file: string): string | undefined {
  const path = relative(parent, file);
  if (path.startsWith("..")) return undefined;
  const [first = path, ...rest] = path.split(sep);
  return rest.length > 0 ? `${first}/` : first;
}

/** The imports between the rooms of a folder, each with an example. */
function usesWithin(parent: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const uses = new Map<string, Map<string, string>>();
  for (const file of modules.filter((module) => !isEntryPoint(module)))
    for (const imported of importsOf(file)) {
      const [from, to] = [roomIn(parent, file), roomIn(parent, imported)];
      if (from === undefined || to === undefined || from === to) continue;
      const rooms = uses.get(from) ?? new Map<string, string>();
      uses.set(from, rooms.set(to, `${file} imports ${imported}`));
    }
  return uses;
}

/** An import of each pair of rooms of which each reaches the other. Two files may, if both lie beside the folders. */
function circularWithin(parent: string): string[] {
  const uses = usesWithin(parent);
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    [...(uses.get(from)?.keys() ?? [])].some(
      (next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))),
    );
  return [...uses].flatMap(([room, rooms]) =>
    [...rooms]
      .filter(([next]) => (room.endsWith("/") || next.endsWith("/")) && reaches(next, room))
      .map(([, example]) => example),
  );
}

it.each(parents)("imports the folders of core/src/%s one way only", (parent) => {
  expect(circularWithin(parent)).toEqual([]);
});

it("looks at every folder that has folders", () => {
  expect(modules.length).toBeGreaterThan(200);
  expect(parents).toEqual(expect.arrayContaining(["", "engine", "images", "model", "testing"]));
});

it("keeps every module of the engine in one of its folders", () => {
  expect(modules.filter((file) => dirname(file) === "engine")).toEqual([]);
});

it("never imports an entry point from within", () => {
  const offenders = modules.flatMap((file) =>
    importsOf(file)
      .filter((imported) => imported.endsWith(`${sep}index.ts`) || imported === "index.ts")
      .map((imported) => `${file} imports ${imported}`),
  );
  expect(offenders).toEqual([]);
});
