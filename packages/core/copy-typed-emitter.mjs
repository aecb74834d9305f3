// Copies the one declaration of typed-emitter, with its licence, into dist: as a dependency it would bring its optional
// rxjs, 12 MB, into every install. `#typed-emitter` is the package for our own sources, and this copy for users.
import { readFileSync, writeFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`node_modules/typed-emitter/${name}`, import.meta.url), "utf8");
const { version } = JSON.parse(read("package.json"));
const notice = `/*\ntyped-emitter ${version}\n\n${read("LICENSE").trim()}\n*/\n\n`;
writeFileSync(new URL("dist/typed-emitter.d.cts", import.meta.url), notice + read("index.d.ts"));
