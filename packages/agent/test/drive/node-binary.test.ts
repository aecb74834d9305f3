import { CommandError, type Spawn } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { externalBuiltins, inspectNode } from "../../src/drive/node-binary.ts";

/** A Node binary of another path that prints this about itself. */
const prints = (stdout: string) => (async () => ({ stdout, stderr: "" })) as unknown as Spawn;
const other = "/proc/self/exe";
const facts = (version: string, config: object = {}) => prints(JSON.stringify({ version, config }));

it("finds the files in which a distribution keeps built-in modules", () => {
  const defines = [
    "NODE_OPENSSL_CONF_NAME=nodejs_conf",
    "NODE_SHARED_BUILTIN_UNDICI_UNDICI_PATH=/usr/share/nodejs/undici/undici-fetch.js",
    "NODE_SHARED_BUILTIN_ACORN_PATH=/usr/share/nodejs/acorn/dist/acorn.js",
    "NODE_SHARED_BUILTIN_ACORN_PATH=relative.js",
  ];
  expect(externalBuiltins(defines)).toEqual([
    "/usr/share/nodejs/undici/undici-fetch.js",
    "/usr/share/nodejs/acorn/dist/acorn.js",
  ]);
});

it("examines the Node that runs this process without running another", async () => {
  const spawn = () => expect.unreachable();
  expect(await inspectNode({ spawn })).toMatchObject({ path: process.execPath, version: process.version });
});

it("examines another Node by what that prints about itself", async () => {
  const defines = ["NODE_SHARED_BUILTIN_ACORN_PATH=/a.js"];
  const spawn = facts("v26.1.0", { target_defaults: { defines } });
  expect(await inspectNode({ spawn, node: other })).toMatchObject({ version: "v26.1.0", builtins: ["/a.js"] });
  expect(await inspectNode({ spawn: facts("v20.19.0"), node: other })).toMatchObject({ builtins: [] });
});

it.each([
  ["one that is too old", facts("v20.18.9"), other, "is v20.18.9"],
  ["one that is much too old", facts("v18.20.4"), other, "is v18.20.4"],
  ["what prints something else", prints("coreutils 9.1"), other, "is not a Node binary"],
  ["what prints other JSON", prints("[]"), other, "is not a Node binary"],
  [
    "what fails",
    (() => Promise.reject(new CommandError({ argv: ["x"], exitCode: 2 }))) as Spawn,
    other,
    "exited with 2",
  ],
  ["what is no program", prints(""), "/etc/passwd", "ELF"],
  ["what is not there", prints(""), "/nonexistent/node", "ENOENT"],
  ["a folder", prints(""), "/etc", "EISDIR"],
  ["a relative path", prints(""), "node", "absolute"],
])("refuses %s, and says why and what to do", async (_, spawn, node, reason) => {
  const { missing } = await inspectNode({ spawn, node });
  expect(missing).toMatchObject({ need: "node", fix: expect.stringContaining("20.19") });
  expect(missing?.reason).toContain(reason);
});
