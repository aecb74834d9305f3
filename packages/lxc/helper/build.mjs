// Compiles each helper and writes it into the module of its name. Needs gcc of the architecture, or a cross compiler:
// node packages/lxc/helper/build.mjs            all architectures whose compiler is there; the others stay as they are
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const FLAGS =
  "-Os -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wno-unused-function -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,max-page-size=4096 -s";
const COMPILERS = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" };
const HELPERS = {
  "exec-helper": { module: "../src/exec/helper-binary.ts", constant: "HELPER_BINARIES" },
  "init-helper": { module: "../src/init-helper-binary.ts", constant: "INIT_HELPER_BINARIES" },
  "detached-holder": { module: "../src/detached-holder-binary.ts", constant: "DETACHED_HOLDER_BINARIES" },
  "../../core/helper/launch-helper": {
    module: "../../core/src/system/launch-helper-binary.ts",
    constant: "LAUNCH_HELPER_BINARIES",
  },
  starter: {
    module: "../src/starter-binary.ts",
    constant: "STARTER_BINARIES",
    library: {
      name: "liblxc.so.1",
      // The last one is the C library's, which comes with liblxc.
      functions: ["lxc_container_new", "lxc_log_init", "__errno_location"],
      interpreters: { x64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" },
      exported: ["waitid", "recvmsg", "recv"],
    },
  },
  "../../core/helper/child-watcher": {
    module: "../../core/src/system/child-watcher-binary.ts",
    constant: "CHILD_WATCHER_BINARIES",
  },
  "../../core/keeper/keeper": { module: "../../core/src/keeper/keeper-binary.ts", constant: "KEEPER_BINARIES" },
};

// A program that is linked with a library needs it only where it runs: here an empty library of its name stands for it.
function linkWith(architecture, { name, functions, interpreters, exported }, folder) {
  const source = join(folder, "library.c");
  writeFileSync(source, functions.map((each) => `void ${each}(void) {}\n`).join(""));
  const library = join(folder, "library.so");
  execFileSync(COMPILERS[architecture], [
    "-shared",
    "-nostdlib",
    "-fPIC",
    `-Wl,-soname,${name}`,
    "-o",
    library,
    source,
  ]);
  const linker = [
    `--dynamic-linker=${interpreters[architecture]}`,
    ...exported.map((each) => `--export-dynamic-symbol=${each}`),
  ];
  return [library, ...linker.map((option) => `-Wl,${option}`)];
}

export function compile(architecture, helper = "exec-helper") {
  const folder = mkdtempSync(join(tmpdir(), "pileus-helper-"));
  const source = new URL(`${helper}.c`, import.meta.url).pathname;
  try {
    const { library } = HELPERS[helper];
    const linked = library === undefined ? ["-static"] : linkWith(architecture, library, folder);
    execFileSync(COMPILERS[architecture], [...FLAGS.split(" "), "-o", join(folder, "helper"), source, ...linked]);
    return readFileSync(join(folder, "helper"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const [helper, { module, constant }] of Object.entries(HELPERS)) {
    const target = new URL(module, import.meta.url);
    const previous = readPrevious(target);
    const lines = Object.keys(COMPILERS).flatMap((architecture) => {
      const binary = compile(architecture, helper)?.toString("base64") ?? previous[architecture];
      return binary === undefined ? [] : [`  ${architecture}:\n    "${binary}",`];
    });
    writeFileSync(
      target,
      `/** helper/${basename(helper)}.c, compiled by ${helper.includes("/") ? "packages/lxc/" : ""}helper/build.mjs: do not edit. Base64 by the names of \`process.arch\`. */\nexport const ${constant}: Readonly<Record<string, string>> = {\n${lines.join("\n")}\n};\n`,
    );
  }
}

function readPrevious(target) {
  try {
    return Object.fromEntries(
      [...readFileSync(target, "utf8").matchAll(/(\w+):\s+"([^"]+)"/g)].map(([, a, b]) => [a, b]),
    );
  } catch {
    return {};
  }
}
