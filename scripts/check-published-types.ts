/**
 * Reads the declarations that are published (`dist/`, made by `tsc -b`), as an editor of a caller does. Every key of a
 * configuration or of options has a comment to show, and a typical mistake gets an error that fits on a screen and
 * names the key, and the nearest known key if there is one.
 */
import { join } from "node:path";
import ts from "typescript";
import { checkout } from "./setup/folders.mjs";

const PACKAGES = ["@pileus/core", "@pileus/core/testing", "@pileus/lxc", "@pileus/oci", "@pileus/qemu"];

/** The names of the types whose every key has a comment. */
const CONFIGURATION =
  /(?:Input|Options|Config|Section|Bootstrap)$|^(?:Abortable|Timed|Progress|TerminalSize|Image|Layer|OciProcess|Limits|MemoryLimit|Nic|NetworkInfo|InstanceInfo|InstanceExit|InstanceUsage|InstanceCore|Host|Images|Networks|DriverSections)$/;

/** A screen for an error: lines of so many columns. */
const SCREEN = { lines: 15, columns: 100 };

const PREAMBLE = `import { type CreateConfig, type HostOf, type Image, type Instance, openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";
import { oci } from "@pileus/oci";
import { qemu } from "@pileus/qemu";
const drivers = [lxc(), oci(), qemu()] as const;
declare const host: HostOf<typeof drivers>;
declare const image: Image;
declare const instance: Instance<"exec" | "files">;
const base = { name: "a", image };
`;

/** What must compile, and whose every key shows a comment where it is written. */
const RIGHT = `${PREAMBLE}
const config: CreateConfig<"lxc"> = {
  driver: "lxc",
  name: "a",
  image: "base",
  limits: { cpu: 0.5, memory: { limit: "256m", swap: 0 }, processes: 9 },
  devices: { eth0: { type: "nic", network: "net0", hwaddr: "02:00:00:00:00:01", ipv4: { address: "10.0.0.2" } } },
  env: {},
  labels: {},
  lxc: { privileged: false, idmap: { mode: "isolated", base: 3_000_000, size: 65_536 }, init: ["/init"], haltSignal: "SIGTERM" },
};
await host.create(config);
await host.ephemeral({ driver: "qemu", ...base, qemu: { machine: "q35", rootSize: "1g", cpuModel: "max" } });
await host.create({ ...base, driver: "oci", oci: { entrypoint: [], cmd: [], workdir: "/", user: "0", stopSignal: "SIGINT", idmap: "shared" } });
await host.networks.create({ name: "net0", ipv4: { address: "10.0.0.1/24", nat: true }, dns: { domain: "lab" } });
await host.images.import({ type: "debian", suite: "trixie", packages: [], mirror: "", variant: "apt" });
await host.images.import("x", { aliases: [], digest: "", architecture: "amd64", registry: { tlsVerify: true, certDir: "", authFile: "" } });
await openHost({ root: "/x", drivers: [oci({ registries: {}, policy: "", stallTimeout: 1 }), qemu({ cache: "" })] });
await instance.exec(["ls"], { cwd: "/", env: {}, user: "0", tty: { columns: 80, rows: 24 } });
await instance.run(["ls"], { timeout: 1000, maxOutput: 9, signal: AbortSignal.timeout(1) });
await instance.stop({ mode: "kill", timeout: 1 });
await instance.files.mkdir("/a", { uid: 1, gid: 1, mode: 0o700, recursive: true });
`;

/** Typical mistakes, each with what its error says. */
const MISTAKES: readonly (readonly [code: string, words: RegExp])[] = [
  [`host.create({ driver: "lxc", ...base, limits: { memroy: "1g" } })`, /'memroy'.*'memory'/],
  [`host.create({ driver: "lxc", ...base, lxc: { privilegd: true } })`, /'privilegd'.*'privileged'/],
  [`host.create({ driver: "lxc", name: "a", imge: image })`, /'imge'.*'image'/],
  [`host.create({ driver: "lcx", ...base })`, /"lcx".*"lxc" \| "oci" \| "qemu"/],
  [`host.create({ driver: "lxc", name: "a" })`, /'image' is missing/],
  [`host.create({ driver: "lxc", ...base, oci: { cmd: ["a"] } })`, /'oci' does not exist/],
  [`host.create({ driver: "oci", ...base, oci: { cmd: "a" } })`, /'string'.*'readonly string\[\]'/],
  [
    `host.create({ driver: "qemu", ...base, devices: { eth0: { type: "nic", network: "n", ip4: "10.0.0.2" } } })`,
    /'ip4'.*'ipv4'/,
  ],
  [`const config: CreateConfig<"lxc"> = { driver: "lxc", ...base, limit: {} }`, /'limit'.*'limits'/],
  [`host.networks.create({ name: "net0", ipv4: { adress: "10.0.0.1/24" } })`, /'adress'.*'address'/],
  [`const n: number = {} as CreateConfig<"lxc">`, /^Type 'ConfigOf<"lxc", LxcSectionInput>' is not assignable/],
  [`host.images.import("x", { alias: ["a"] })`, /'alias'.*'aliases'/],
  [`openHost({ root: "/x", driver: [lxc()] })`, /'driver'.*'drivers'/],
  [`openHost({ root: "/x", drivers: lxc() })`, /'readonly AnyDriver\[\]'/],
  [`instance.exec("ls -la")`, /'string'.*'readonly string\[\]'/],
  [`instance.exec(["ls"], { tty: true })`, /'boolean'.*'TerminalSize'/],
  [`instance.stop({ mode: "force" })`, /"force".*"kill"/],
];

/** What an editor shows of a word in {@link SHOWN}. A configuration is spelt out as one object. */
const SHOWN = `${PREAMBLE}
declare const shown: CreateConfig<"lxc">;
type Spelt = CreateConfig<"qemu">;
host.create({ driver: "oci", ...base });
host.ephemeral({ driver: "lxc", ...base });
host.get("a", { driver: "qemu" });
openHost({ root: "/x", drivers });
`;
const HOST = "Host<LxcDriver \\| OciDriver \\| QemuDriver>";
const HOVERS: readonly (readonly [word: string, text: RegExp])[] = [
  ["shown", /^const shown: ConfigOf<"lxc", LxcSectionInput>$/],
  ["Spelt", /^type Spelt = \{ readonly [^&]* readonly qemu\?: QemuSectionInput \| undefined; \}$/],
  [
    "create",
    new RegExp(
      `${HOST}\\.create<"oci">\\(config: ConfigFor<"oci", OciSectionInput>, options\\?: CreateOptions\\): Promise<Ins`,
    ),
  ],
  [
    "ephemeral",
    new RegExp(
      `${HOST}\\.ephemeral<"lxc">\\(config: ConfigFor<"lxc", LxcSectionInput>, options\\?: EphemeralOptions\\): `,
    ),
  ],
  ["get", new RegExp(`${HOST}\\.get<"qemu">\\(name: string, options\\?: GetOptions<"qemu"> \\| undefined\\): `)],
  ["openHost", new RegExp(`\\): Promise<${HOST}>`)],
];

/** Every member of these objects shows a signature that fits, of names of types: none is spelt out. */
const OBJECTS = ["host", "host.images", "host.networks", "created", "created.files"];
const MEMBERS = `${PREAMBLE}
const created = await host.create({ driver: "lxc", ...base });
${OBJECTS.map((object) => `${object}.;`).join("\n")}
`;
/** Their type parameters are known only where they are called: see {@link HOVERS}. */
const GENERIC = new Set(["create", "ephemeral", "get"]);
const SIGNATURE = { characters: 300, spelt: /[{}]|\.\.\./ };

const files = new Map([
  ["exports.ts", PACKAGES.map((name, index) => `import * as p${index} from "${name}";`).join("\n")],
  ["right.ts", RIGHT],
  ["shown.ts", SHOWN],
  ["members.ts", MEMBERS],
  ...MISTAKES.map(([code], index) => [`mistake-${index}.ts`, `${PREAMBLE}${code};\nexport {};\n`] as const),
]);
const pathOf = (name: string) => join(checkout, "examples/test", `published-${name}`);
const texts = new Map([...files].map(([name, text]) => [pathOf(name), text]));

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(checkout, "tsconfig.test.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, checkout);
  // As a caller has it: the declarations and not the sources.
  return { ...options, customConditions: [] };
}

const options = compilerOptions();
const service = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [...texts.keys()],
  getScriptVersion: () => "1",
  getScriptSnapshot: (path) => {
    const text = texts.get(path) ?? ts.sys.readFile(path);
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
  },
  getCurrentDirectory: () => checkout,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (path) => texts.has(path) || ts.sys.fileExists(path),
  readFile: (path) => texts.get(path) ?? ts.sys.readFile(path),
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories,
  realpath: (path) => ts.sys.realpath?.(path) ?? path,
});
const program = service.getProgram();
if (program === undefined) throw new Error("the language service has no program");
const checker = program.getTypeChecker();

function sourceOf(name: string): ts.SourceFile {
  const source = program?.getSourceFile(pathOf(name));
  if (source === undefined) throw new Error(`the program lacks ${name}`);
  return source;
}

const errorsOf = (name: string): readonly string[] =>
  [...service.getSyntacticDiagnostics(pathOf(name)), ...service.getSemanticDiagnostics(pathOf(name))].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"),
  );

/** The keys of exported types that have no comment, and the exported types that have none. */
function* uncommented(): Generator<string> {
  for (const statement of sourceOf("exports.ts").statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const module = checker.getSymbolAtLocation(statement.moduleSpecifier);
    if (module === undefined) throw new Error(`${statement.moduleSpecifier.getText()} was not built`);
    for (const exported of checker.getExportsOfModule(module)) {
      if (!CONFIGURATION.test(exported.name)) continue;
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (symbol.getDocumentationComment(checker).length === 0) yield exported.name;
      for (const key of checker.getDeclaredTypeOfSymbol(symbol).getProperties()) {
        const ours = key.declarations?.some((at) => at.getSourceFile().fileName.includes("/dist/")) === true;
        if (ours && !isCommented(key)) yield `${exported.name}.${key.name}`;
      }
    }
  }
}

function isCommented(symbol: ts.Symbol): boolean {
  return symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0;
}

/** The keys of the right programs over which an editor shows no comment. */
function* silent(): Generator<string> {
  const source = sourceOf("right.ts");
  const nodes: ts.Node[] = [source];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    ts.forEachChild(node, (child) => {
      nodes.push(child);
    });
    if (!ts.isPropertyAssignment(node)) continue;
    // The name of a device is the caller's own.
    if (node.name.getText() === "eth0" || node.getStart() < PREAMBLE.length) continue;
    const info = service.getQuickInfoAtPosition(source.fileName, node.name.getStart());
    if ((info?.documentation ?? []).length === 0) yield node.name.getText();
  }
}

function* badHovers(): Generator<string> {
  for (const [word, expected] of HOVERS) {
    const info = service.getQuickInfoAtPosition(pathOf("shown.ts"), SHOWN.indexOf(word, PREAMBLE.length));
    const text = (info?.displayParts ?? []).map((part) => part.text).join("");
    if (!expected.test(text.replace(/\s+/g, " "))) yield `hovering over "${word}" shows ${text}`;
  }
}

/** What completion shows beside the name of a member: the text that hovering over it shows. */
function* longSignatures(): Generator<string> {
  const path = pathOf("members.ts");
  for (const object of OBJECTS) {
    const position = MEMBERS.indexOf(`\n${object}.;`) + `\n${object}.`.length;
    const members = service.getCompletionsAtPosition(path, position, {})?.entries ?? [];
    if (members.length === 0) yield `${object} shows no members`;
    for (const { name } of members) {
      if (object === "host" && GENERIC.has(name)) continue;
      const details = service.getCompletionEntryDetails(path, position, name, {}, undefined, {}, undefined);
      const text = (details?.displayParts ?? []).map((part) => part.text).join("");
      if (text.length > SIGNATURE.characters || SIGNATURE.spelt.test(text)) yield `${object}.${name} shows ${text}`;
    }
  }
}

function* badErrors(): Generator<string> {
  for (const [index, [code, words]] of MISTAKES.entries()) {
    const errors = errorsOf(`mistake-${index}.ts`);
    const lines = errors.flatMap((error) => error.split("\n"));
    const height = lines.reduce((sum, line) => sum + Math.ceil(line.length / SCREEN.columns), 0);
    if (errors.length === 0) yield `${code}: compiles`;
    else if (height > SCREEN.lines) yield `${code}: its error has ${height} lines`;
    else if (!words.test(lines.join(" "))) yield `${code}: its error does not say ${words}: ${lines.join(" ")}`;
  }
}

const failures = [
  ...errorsOf("exports.ts").map((error) => `the packages cannot be imported: ${error}`),
  ...errorsOf("right.ts").map((error) => `a right program does not compile: ${error}`),
  ...[...uncommented()].map((name) => `${name} has no comment in the published types`),
  ...[...silent()].map((name) => `hovering over "${name}" shows no comment`),
  ...badHovers(),
  ...longSignatures(),
  ...badErrors(),
];
for (const failure of failures) console.error(failure);
console.log(`published types: ${MISTAKES.length} mistakes made, ${failures.length} failures`);
process.exitCode = failures.length > 0 ? 1 : 0;
