import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Instance, isInstanceError, openHost } from "../src/index.ts";
import { fake } from "../src/testing/index.ts";
import { type FakeBox, loose, openFakeBox } from "./support/fake-box.ts";

// Every call is made as plain JavaScript would call it.

let root: FakeBox["root"];
let host: FakeBox["host"];
let box: FakeBox["box"];
let valid: FakeBox["valid"];
let close: FakeBox["close"];

beforeAll(async () => {
  ({ root, host, box, valid, close } = await openFakeBox());
});
afterAll(() => close());

const NIC = { type: "nic", network: "net0" };
const create = (config: unknown) => loose(host.create.bind(host))(config);
const createWith = (keys: object) => create({ ...valid, ...keys });
const importing = (...args: unknown[]) => loose(host.images.import)(...args);
const exec = (...args: unknown[]) => loose(box.exec.bind(box))(...args);
const run = (...args: unknown[]) => loose(box.run.bind(box))(...args);
const file = (verb: keyof Instance<"files">["files"], ...args: unknown[]) =>
  loose(box.files[verb].bind(box.files))(...args);

const MISTAKES: readonly (readonly [string, () => Promise<unknown>, string])[] = [
  ["openHost()", () => loose(openHost)(), "must be an object, but is missing: write openHost({ root, dri"],
  ['openHost("/srv")', () => loose(openHost)("/srv"), "host options: must be an object, but is a string"],
  ["a host without root", () => loose(openHost)({ drivers: [] }), "root: must be the path of a folder"],
  ["a root that is a number", () => loose(openHost)({ root: 5, drivers: [] }), "root: must be the path of a folder"],
  [
    "driver for drivers",
    () => loose(openHost)({ root, driver: fake() }),
    'driver: unknown key; did you mean "drivers"?',
  ],
  ["one driver for a list", () => loose(openHost)({ root, drivers: fake() }), "an array of drivers, as in [lxc()]"],
  ["a driver that is not called", () => loose(openHost)({ root, drivers: [fake] }), "pass what lxc(), oci() or qemu()"],
  ['rename({ name: "b" })', () => loose(box.rename.bind(box))({ name: "b" }), "must be a string, but is an object"],
  ["rename()", () => loose(box.rename.bind(box))(), "is missing: give the name of the instance"],
  ['rename("Web")', () => box.rename("Web"), "a name must be 1 to 63 of a-z, 0-9 and -"],
  ["create()", () => create(undefined), "instance config: must be an object, but is missing"],
  ["create with a name alone", () => create("web"), "instance config: must be an object, but is a string"],
  ["create({})", () => create({}), "driver: is missing: set driver to one of fake"],
  ["create without an image", () => createWith({ image: undefined }), "image: is missing: write the alias or"],
  ["an image without await", () => createWith({ image: Promise.resolve("debian") }), "image: is a promise: await it"],
  ["create without a name", () => createWith({ name: undefined }), 'name: is missing: write name: "web"'],
  ["a name that is a number", () => createWith({ name: 5 }), 'name: must be a string, but is 5: write "5"'],
  ["an unknown driver", () => createWith({ driver: "docker" }), "opened without that driver; it has fake"],
  [
    "limits at the top",
    () => createWith({ memory: "256MiB" }),
    "memory: unknown key; it belongs in limits: write limits: { memory }",
  ],
  ["memory: true", () => createWith({ limits: { memory: true } }), "must be a number or a string, but is true"],
  [
    'memory: "lots"',
    () => createWith({ limits: { memory: "lots" } }),
    '"lots" is not a size: write "256MiB", "256m" or a number of bytes; the units are B kB',
  ],
  ['memory: "256Mi"', () => createWith({ limits: { memory: "256Mi" } }), 'write "256MiB" (powers of 1024) or "256MB"'],
  ['memory: "512"', () => createWith({ limits: { memory: "512" } }), "write the number 512 for bytes, or add a unit"],
  ["memory: 0.5", () => createWith({ limits: { memory: 0.5 } }), "0.5 is not a size: write a whole number of bytes"],
  [
    'cpu: "50%"',
    () => createWith({ limits: { cpu: "50%" } }),
    "must be a number of processors, but is a string: write 0.5",
  ],
  ['cpu: "2"', () => createWith({ limits: { cpu: "2" } }), "limits.cpu: must be a number, but is a string: write 2"],
  ["cpus: 2", () => createWith({ limits: { cpus: 2 } }), 'limits.cpus: unknown key; did you mean "cpu"?'],
  [
    "expires in the config",
    () => createWith({ expires: 5000 }),
    "it is an option: pass it in the second argument, as in",
  ],
  ["ready in the config", () => createWith({ ready: true }), "as in ephemeral(config, { ready })"],
  [
    "a list of devices",
    () => createWith({ devices: [{ type: "nic" }] }),
    "devices: must be an object, but is a list: write { eth0: {",
  ],
  ["a nic without a network", () => createWith({ devices: { e: { type: "nic" } } }), "network: is missing: write the"],
  [
    "a nic without a type",
    () => createWith({ devices: { e: { network: "n" } } }),
    'devices.e.type: is missing: write type: "nic"',
  ],
  [
    "a nic's address",
    () => createWith({ devices: { e: { ...NIC, ipv4: "10.0.0.300" } } }),
    "must be an IPv4 address, as in",
  ],
  ["env: ['A=1']", () => createWith({ env: ["A=1"] }), 'env: must be an object of names and values: write { A: "1" }'],
  ["env: 'a-b=1'", () => createWith({ env: "a-b=1" }), 'write { "a-b": "1" }'],
  ["env: []", () => createWith({ env: [] }), 'write { NAME: "value" }'],
  [
    "a variable that is a number",
    () => createWith({ env: { P: 80 } }),
    'env.P: must be a string, but is 80: write "80"',
  ],
  [
    "a variable that is undefined",
    () => createWith({ env: { P: undefined } }),
    "env.P: is missing: leave the variable out",
  ],
  ["a list of labels", () => createWith({ labels: ["a"] }), "labels: must be an object, but is a list: write { app: "],
  ["a label that is true", () => createWith({ labels: { a: true } }), 'must be a string, but is true: write "true"'],
  [
    "networks.create('net0')",
    () => loose(host.networks.create)("net0"),
    'network config: must be an object, but is a string: write { name: "net0" }',
  ],
  ["networks.create({})", () => loose(host.networks.create)({}), 'write the name of a network, as in "net0"'],
  [
    "a network without a prefix",
    () => loose(host.networks.create)({ name: "n", ipv4: "10.0.0.1" }),
    "as in 10.0.0.1/24",
  ],
  [
    "images.import()",
    () => importing(),
    'but is missing: write a reference such as "docker://docker.io/library/redis:7", or {',
  ],
  ["another bootstrap", () => importing({ type: "ubuntu" }), 'type: must be "debian"'],
  ["a bootstrap without a suite", () => importing({ type: "debian" }), 'write a suite, as in suite: "trixie"'],
  ["aliases: 'web'", () => importing("/x", { aliases: "web" }), 'must be a list, but is a string: write ["web"]'],
  ["alias: 'web'", () => importing("/x", { alias: "web" }), 'alias: unknown key; did you mean "aliases"?'],
  [
    "a digest that is none",
    () => importing("/x", { digest: "abc" }),
    "a digest must be sha256: and 64 hexadecimal digits",
  ],
  ["x86_64", () => importing("/x", { architecture: "x86_64" }), 'must be "amd64" or "arm64"'],
  ["images.get()", () => loose(host.images.get)(), "name of the image: is missing"],
  ["images.delete(image)", () => loose(host.images.delete)({}), "must be a string, but is an object"],
  ["host.get()", () => loose(host.get.bind(host))(), "name of the instance: is missing"],
  ["networks.get(5)", () => loose(host.networks.get)(5), 'must be a string, but is 5: write "5"'],
  ["networks.delete()", () => loose(host.networks.delete)(), "name of the network: is missing"],
  [
    'exec("ls -la")',
    () => exec("ls -la"),
    'but is a string: write ["ls", "-la"], or for a command line of a shell ["sh",',
  ],
  ['run("ls | wc -l")', () => run("ls | wc -l"), 'but is a string: write ["sh", "-c", "ls | wc -l"]'],
  ["exec()", () => exec(), 'must be a list of a program and its arguments: write ["ls", "-la"]'],
  ["exec([])", () => exec([]), "argv.0: is missing: write an argument"],
  ["an argument that is a number", () => exec(["sleep", 5]), 'argv.1: must be a string, but is 5: write "5"'],
  [
    "arguments apart",
    () => exec("ls", ["-la"]),
    "options: must be an object, but is a list: write the program and its",
  ],
  ["arguments apart, of run", () => run("ls", ["-la"]), 'its arguments as one list, ["ls", "-la"]'],
  ["tty: true", () => exec(["sh"], { tty: true }), "must be a terminal's size: write { columns: 80, rows: 24 }"],
  ["tty: { cols }", () => exec(["sh"], { tty: { cols: 80, rows: 24 } }), "tty.columns: is missing: write a number of"],
  ["user: 1000", () => exec(["sh"], { user: 1000 }), 'user: must be a string, but is 1000: write "1000"'],
  ["a relative cwd", () => exec(["sh"], { cwd: "src" }), "cwd: a path inside an instance must be absolute"],
  ["a controller for a signal", () => exec(["sh"], { signal: new AbortController() }), "pass the controller's signal"],
  ["timeout: '5s'", () => run(["sh"], { timeout: "5s" }), "timeout: must be a number of milliseconds"],
  ["maxBuffer", () => run(["sh"], { maxBuffer: 5 }), "maxBuffer: unknown key; it is called maxOutput here"],
  ["stdin of run", () => run(["cat"], { stdin: "a" }), "stdin: unknown key; it is called input here"],
  [
    "input of exec",
    () => exec(["cat"], { input: "a" }),
    "input: unknown key; it is an option of run(); after exec(), write",
  ],
  ['stop("kill")', () => loose(box.stop.bind(box))("kill"), 'but is a string: write { mode: "kill" }'],
  ['restart("kill")', () => loose(box.restart.bind(box))("kill"), 'but is a string: write { mode: "kill" }'],
  [
    "ready(5000)",
    () => loose(box.ready.bind(box))(5000),
    "options: must be an object, but is 5000: write { timeout: 5000 }",
  ],
  ["start(true)", () => loose(box.start.bind(box))(true), "options: must be an object, but is true: write { signal }"],
  ["a mode of stop", () => loose(box.stop.bind(box))({ mode: "force" }), 'must be "ask" or "ask-then-kill" or "kill"'],
  ["ready({ timeout: -1 })", () => loose(box.ready.bind(box))({ timeout: -1 }), "timeout: must be a number of"],
  [
    "logs of no stream",
    () => loose(box.logs.bind(box))({ stream: "out" }),
    "stream: must be stdout, stderr or console",
  ],
  ["logs({ tail: -1 })", () => loose(box.logs.bind(box))({ tail: -1 }), "tail: must be a number of lines, 0 or more"],
  [
    'logs({ since: "10m" })',
    () => loose(box.logs.bind(box))({ since: "10m" }),
    "since: must be a Date, or how long ago",
  ],
  ["files.read()", () => file("read"), "file path: is missing: write a path"],
  [
    'files.read("/x", "utf8")',
    () => file("read", "/x", "utf8"),
    "but is a string: write files.readText(path) for text",
  ],
  ['files.readAll("/x", "utf8")', () => file("readAll", "/x", "utf8"), "write files.readText(path) for text"],
  ["files.read of a relative path", () => file("read", "etc/passwd"), "a path inside an instance must be absolute"],
  [
    "files.write of an object",
    () => file("write", "/x", { a: 1 }),
    "must be a string, a Uint8Array, or an async iterable",
  ],
  ['mode: "0755"', () => file("write", "/x", "", { mode: "0755" }), "mode: must be a number: write 0o755"],
  ['mode: "u+x"', () => file("write", "/x", "", { mode: "u+x" }), "mode: must be a number, but is a string"],
  ["an encoding", () => file("write", "/x", "", "utf8"), "options: must be an object, but is a string"],
  [
    'recursive: "true"',
    () => file("mkdir", "/x", { recursive: "true" }),
    "must be true or false, but is a string: write true",
  ],
  ["files.push without a target", () => file("push", "/x"), "file path: is missing"],
  ["files.pull without a target", () => file("pull", "/x"), "path: must be a path on the host"],
];

describe("a caller's mistake is reported in the words of this library", () => {
  it.each(MISTAKES)("%s", async (_what, call, told) => {
    const failure = await call().catch((error: unknown) => error);
    if (!isInstanceError(failure, "ERR_CONFIG")) throw failure;
    expect(failure.message).toContain(told);
    expect(failure.message).not.toMatch(/Invalid|\bexpected\b|\breceived\b|Unrecognized/);
  });
});
