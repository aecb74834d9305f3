// Compiles each helper and writes it into the module of its name. Needs gcc of the architecture, or a cross compiler:
// node packages/lxc/helper/build.mjs            all architectures whose compiler is there; the others stay as they are
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS =
  "-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wno-unused-function -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,max-page-size=4096 -s";
const COMPILERS = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" };
const HELPERS = {
  "exec-helper": { module: "../src/exec/helper-binary.ts", constant: "HELPER_BINARIES" },
  "init-helper": { module: "../src/init-helper-binary.ts", constant: "INIT_HELPER_BINARIES" },
  "launch-helper": { module: "../src/launch-helper-binary.ts", constant: "LAUNCH_HELPER_BINARIES" },
};

export function compile(architecture, helper = "exec-helper") {
  const folder = mkdtempSync(join(tmpdir(), "pileus-helper-"));
  const source = new URL(`${helper}.c`, import.meta.url).pathname;
  try {
    execFileSync(COMPILERS[architecture], [...FLAGS.split(" "), "-o", join(folder, "helper"), source]);
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
      `/** helper/${helper}.c, compiled by helper/build.mjs: do not edit. Base64 by the names of \`process.arch\`. */\nexport const ${constant}: Readonly<Record<string, string>> = {\n${lines.join("\n")}\n};\n`,
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
