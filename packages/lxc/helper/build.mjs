// Compiles exec-helper.c and writes it into src/exec/helper-binary.ts. Needs gcc of the architecture, or a cross compiler:
//   node packages/lxc/helper/build.mjs            all architectures whose compiler is there; the others stay as they are
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS =
  "-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,max-page-size=4096 -s";
const COMPILERS = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" };
const target = new URL("../src/exec/helper-binary.ts", import.meta.url);
const source = new URL("exec-helper.c", import.meta.url).pathname;

export function compile(architecture) {
  const folder = mkdtempSync(join(tmpdir(), "pileus-helper-"));
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
  const previous = readPrevious();
  const lines = Object.keys(COMPILERS).flatMap((architecture) => {
    const binary = compile(architecture)?.toString("base64") ?? previous[architecture];
    return binary === undefined ? [] : [`  ${architecture}:\n    "${binary}",`];
  });
  writeFileSync(
    target,
    `/** helper/exec-helper.c, compiled by helper/build.mjs: do not edit. Base64 by the names of \`process.arch\`. */\nexport const HELPER_BINARIES: Readonly<Record<string, string>> = {\n${lines.join("\n")}\n};\n`,
  );
}

function readPrevious() {
  try {
    return Object.fromEntries(
      [...readFileSync(target, "utf8").matchAll(/(\w+):\s+"([^"]+)"/g)].map(([, a, b]) => [a, b]),
    );
  } catch {
    return {};
  }
}
