import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, type Instance, isInstanceError, openHost } from "../src/index.ts";
import { fake, importFakeImage } from "../src/testing/index.ts";
import { type FakeBox, loose, openFakeBox } from "./support/fake-box.ts";

// What users of Docker, testcontainers and execa write first. Every call is made as plain JavaScript would call it.

let host: FakeBox["host"];
let box: FakeBox["box"];
let valid: FakeBox["valid"];
let close: FakeBox["close"];

beforeAll(async () => {
  ({ host, box, valid, close } = await openFakeBox());
});
afterAll(() => close());

const create = (config: unknown) => loose(host.create.bind(host))(config);
const createWith = (keys: object) => create({ ...valid, ...keys });
const nic = (keys: object) => ({ devices: { eth0: { type: "nic", network: "net0", ...keys } } });
const createIn = (options: object) => loose(host.create.bind(host))(valid, options);
const verb = (name: Exclude<keyof typeof box, symbol>, ...args: unknown[]) => loose(box[name]).apply(box, args);
// A source that is not found is no mistake in the configuration, but its hint is one of those here.
const asConfig = (error: Error) => {
  throw new ConfigError("image source", [{ path: [], message: error.message }]);
};
const killed = async (...args: unknown[]) => {
  await using program = await box.exec(["sleep", "60"]);
  await loose(program.kill.bind(program))(...args);
};
const resized = async (size: object) => {
  await using program = await box.exec(["sleep", "60"], { tty: { columns: 80, rows: 24 } });
  await loose(program.resize.bind(program))(size);
};
const importing = (...args: unknown[]) => loose(host.images.import)(...args);
const exec = (...args: unknown[]) => loose(box.exec.bind(box))(...args);
const run = (...args: unknown[]) => loose(box.run.bind(box))(...args);
const file = (verb: keyof Instance<"files">["files"], ...args: unknown[]) =>
  loose(box.files[verb].bind(box.files))(...args);

type Habit = readonly [string, () => Promise<unknown>, string];
const HABITS: readonly Habit[] = [
  ["ready of create", () => createIn({ ready: true }), "it is an option of ephemeral(): after create() and start()"],
  ["timeout of create", () => createIn({ timeout: 5 }), "write ephemeral(config, { ready: { timeout } })"],
  [
    "Cmd",
    () => createWith({ Cmd: ["sh"] }),
    "Cmd: unknown key; an application container has it in its section: oci: {",
  ],
  ["command", () => createWith({ command: ["sh"] }), 'oci: { cmd: ["redis-server"] }'],
  ["environment", () => createWith({ environment: {} }), "environment: unknown key; write env: { NAME: value }"],
  ["ports", () => createWith({ ports: ["8080:80"] }), "no port of the host is taken: give it devices: { eth0: { type:"],
  ["ExposedPorts", () => createWith({ ExposedPorts: {} }), "and connect to its addresses()"],
  ["binds", () => createWith({ binds: ["/a:/b"] }), 'write volumes: ["/srv/data:/data"], or devices: { data:'],
  [
    "HostConfig",
    () => createWith({ HostConfig: {} }),
    "its parts are in limits, devices and the section of the driver",
  ],
  ["network", () => createWith({ network: "n" }), 'write devices: { eth0: { type: "nic", network: "net0" } }'],
  ["detach of create", () => createWith({ detach: true }), "start() returns while the instance runs: leave it out"],
  ["rm", () => createWith({ rm: true }), "ephemeral() makes an instance that is deleted with its handle"],
  ["restart", () => createWith({ restart: "always" }), "nothing restarts an instance by itself"],
  ["hostname", () => createWith({ hostname: "h" }), "hostname: unknown key; the host name is the name"],
  ["mem_limit", () => createWith({ mem_limit: "1g" }), "mem_limit: unknown key; write limits: { memory }"],
  ["limits.pids", () => createWith({ limits: { pids: 5 } }), "limits.pids: unknown key; write limits: { processes }"],
  ["cap_add", () => createWith({ cap_add: ["ALL"] }), "write capabilities: { add, drop } in the section of the driver"],
  ["idMap", () => createWith({ idMap: {} }), 'in the section of a container: write lxc: { idmap: "shared" }'],
  ["userns", () => createWith({ userns: "host" }), "userns: unknown key; privileged: true in the section of a"],
  ["userns in a section", () => createWith({ fake: { userns: "host" } }), "fake.userns: unknown key; privileged: true"],
  ["env in a section", () => createWith({ fake: { env: {} } }), "it belongs beside fake: write env, fake: {"],
  [
    "environment in a section",
    () => createWith({ fake: { environment: {} } }),
    "fake.environment: unknown key; write env: { NAME: value } beside the section",
  ],
  ["Labels", () => createWith({ Labels: {} }), 'Labels: unknown key; did you mean "labels"?'],
  [
    "a state to list by",
    () => loose(host.list.bind(host))({ state: "running" }),
    'state: must be "recorded" or "live": to choose by state, filter what list() returns',
  ],
  [
    "securityOpt",
    () => createWith({ securityOpt: ["seccomp=unconfined"] }),
    "securityOpt: unknown key; write seccomp, no",
  ],
  ["privileged", () => createWith({ privileged: true }), "lxc: { privileged: true } gives the ids of the host"],
  ["usernsMode", () => createWith({ usernsMode: "host" }), "privileged: true in the section of a container"],
  ["security.nesting", () => createWith({ "security.nesting": true }), "system containers may always make namespaces"],
  ["raw.idmap", () => createWith({ "raw.idmap": "both 1 1" }), "idmap: { extra: [{ inside: 1000, outside: 1000 }] }"],
  ["ulimits", () => createWith({ ulimits: {} }), "ulimits: unknown key; a program sets its own"],
  [
    "capAdd of a section",
    () => createWith({ fake: { capAdd: [] } }),
    "fake.capAdd: unknown key; write capabilities: {",
  ],
  ["seccomp of a machine", () => createWith({ fake: { seccomp: "x" } }), "a virtual machine has a kernel of its own"],
  [
    "kernel of a container",
    () => createWith({ fake: { kernel: "image" } }),
    "a virtual machine has it, in its section",
  ],
  [
    "mac of a nic",
    () => createWith(nic({ mac: "02:00:00:00:00:01" })),
    "devices.eth0.mac: unknown key; it is called hw",
  ],
  [
    "security.mac_filtering",
    () => createWith(nic({ "security.mac_filtering": true })),
    "the filter of a nic does so by",
  ],
  [
    "ipv6 of a nic",
    () => createWith(nic({ ipv6: "fd00::2" })),
    "devices.eth0.ipv6: unknown key; networks route IPv4 only",
  ],
  ["host: true of a nic", () => createWith(nic({ host: true })), 'devices.eth0.host: must be "all" or a list of ports'],
  [
    "egress as a list",
    () => createWith(nic({ egress: ["1.1.1.1"] })),
    'is a list: write { allow: ["10.0.0.0/8:5432"] }',
  ],
  ["a name in egress", () => createWith(nic({ egress: { allow: ["a.example:443"] } })), "names are not resolved"],
  [
    "/dev/net/tun",
    () => createWith({ devices: { tun: { type: "unix-char", path: "/dev/net/tun" } } }),
    'devices.tun.type: must be "nic" or "disk"; no device of another type can be attached yet',
  ],
  [
    "internal of a network",
    () => loose(host.networks.create)({ name: "n", internal: true }),
    "write egress: { allow: [] }",
  ],
  [
    "dns of a network as a list",
    () => loose(host.networks.create)({ name: "n", dns: ["1.1.1.1"] }),
    'write { domain: "pi',
  ],
  [
    "an image of dockerode",
    () => createWith({ image: { Id: "sha256:x" } }),
    "must be a string or an image: write the alias",
  ],
  ["a subnet", () => loose(host.networks.create)({ name: "n", subnet: "10.1.0.0/24" }), 'write ipv4: "10.90.0.1/24"'],
  [
    "docker:redis:7",
    () => importing("docker:redis:7").catch(asConfig),
    "an image of a registry is docker://redis:7, in full",
  ],
  [
    "tty: { cols } and its name",
    () => exec(["sh"], { tty: { cols: 80, rows: 24 } }),
    "tty.cols: unknown key; it is called",
  ],
  [
    "tty of run",
    () => run(["sh"], { tty: true }),
    "tty: unknown key; run() collects the output of pipes: exec(argv, {",
  ],
  ["shell: true", () => run(["ls | wc"], { shell: true }), 'write the command line as ["sh", "-c", "ls | wc -l"]'],
  [
    "stdio",
    () => exec(["ls"], { stdio: "inherit" }),
    "onStdout and onStderr get each line; exec() returns the streams",
  ],
  ["onData", () => run(["ls"], { onData: () => 0 }), "onData: unknown key; onStdout and onStderr get each line"],
  ["detach", () => run(["ls"], { detach: true }), "detach: unknown key; exec() returns while the program runs"],
  ["background", () => run(["ls"], { background: true }), "background: unknown key; exec() returns while"],
  ["reject", () => run(["ls"], { reject: false }), "with check: true it rejects when the program fails"],
  ["uid", () => run(["ls"], { uid: 1000 }), 'uid: unknown key; write user: "1000" or user: "1000:1000"'],
  ["timeoutMs", () => run(["ls"], { timeoutMs: 5 }), 'timeoutMs: unknown key; did you mean "timeout"?'],
  ["WorkingDir", () => exec(["ls"], { WorkingDir: "/" }), "WorkingDir: unknown key; it is called cwd here"],
  ["killSignal", () => run(["ls"], { killSignal: "SIGINT" }), "a timeout and an abort send SIGKILL; kill() of"],
  ["stop({ t: 10 })", () => verb("stop", { t: 10 }), "t: unknown key; it is called timeout here, in milliseconds"],
  ["stop({ force: true })", () => verb("stop", { force: true }), 'force: unknown key; write mode: "kill"'],
  ["stop(10)", () => verb("stop", 10), 'write { mode: "kill" } or { timeout: 10_000 }'],
  ["stop({ signal: 'SIGKILL' })", () => verb("stop", { signal: "SIGKILL" }), "the name of a signal is for kill() of"],
  ["delete({ force: true })", () => verb("delete", { force: true }), "force: unknown key; delete() stops a running"],
  ["start({ detach: true })", () => verb("start", { detach: true }), "start() returns while the instance runs"],
  [
    "wait({ timeout: 5 })",
    () => verb("wait", { timeout: 5 }),
    "timeout: unknown key; write signal: AbortSignal.timeout",
  ],
  ['logs("stdout")', () => verb("logs", "stdout"), 'but is a string: write { stream: "stdout" } or { follow: true }'],
  ["logs({ stdout: true })", () => verb("logs", { stdout: true }), 'stdout: unknown key; write stream: "stdout"'],
  ["logs({ lines: 10 })", () => verb("logs", { lines: 10 }), "lines: unknown key; it is called tail here"],
  ["logs({ since: … }) in ms", () => verb("logs", { since: 1.7e12 }), "since: must be a Date, or how long ago"],
  ...(["state", "inspect", "start", "wait", "delete", "freeze", "unfreeze", "addresses", "metrics"] as const).map(
    (name): Habit => [
      `${name} with an option that it lacks`,
      () => verb(name, { x: 1 }),
      "x: unknown key; known keys: sig",
    ],
  ),
  ...(["ready", "reboot", "stop", "restart"] as const).map(
    (name): Habit => [
      `${name} with an option that it lacks`,
      () => verb(name, { x: 1 }),
      "x: unknown key; known keys: ",
    ],
  ),
  ["watch of an instance with an option that it lacks", async () => box.watch({ x: 1 } as object), "x: unknown key"],
  ["watch of a host with an option that it lacks", async () => host.watch({ x: 1 } as object), "x: unknown key"],
  ["doctor({ x })", () => loose(host.doctor.bind(host))({ x: 1 }), "x: unknown key; known keys: signal"],
  ["get(name, { x })", () => loose(host.get.bind(host))("a", { x: 1 }), "x: unknown key; known keys: driver, signal"],
  ["list({ x })", () => loose(host.list.bind(host))({ x: 1 }), "x: unknown key; known keys: labels"],
  ["sweep({ labels: [] })", () => loose(host.sweep.bind(host))({ labels: ["a"] }), 'write { app: "web" }'],
  ["images.list({ x })", () => loose(host.images.list)({ x: 1 }), "x: unknown key; known keys: signal"],
  ["images.get(name, { x })", () => loose(host.images.get)("a", { x: 1 }), "x: unknown key; known keys: signal"],
  ["images.delete(name, { x })", () => loose(host.images.delete)("a", { x: 1 }), "x: unknown key; known keys: signal"],
  ["networks.list({ x })", () => loose(host.networks.list)({ x: 1 }), "x: unknown key; known keys: signal"],
  ["networks.get(name, { x })", () => loose(host.networks.get)("a", { x: 1 }), "x: unknown key; known keys: signal"],
  ["networks.delete(name, { x })", () => loose(host.networks.delete)("a", { x: 1 }), "x: unknown key; known keys: "],
  ["networks.create(…, { x })", () => loose(host.networks.create)({ name: "a" }, { x: 1 }), "x: unknown key; known"],
  ["kill(9)", () => killed(9), "signal: 9 is not a signal: write SIGKILL"],
  ['kill("TERM")', () => killed("TERM"), 'signal: "TERM" is not a signal: write SIGTERM'],
  ["kill(…, { x })", () => killed("SIGTERM", { x: 1 }), "x: unknown key; known keys: signal"],
  ["resize({ cols })", () => resized({ cols: 80, rows: 24 }), "cols: unknown key; it is called columns here"],
  ["resize({ h, w })", () => resized({ h: 24, w: 80 }), "h: unknown key; it is called rows here"],
  ["mode: 644", () => file("write", "/x", "", { mode: 644 }), "mode: 644 is 0o1204: write 0o644"],
  ["mode: 755 of a folder", () => file("mkdir", "/x", { mode: 755 }), "mode: 755 is 0o1363: write 0o755"],
  ["force of files.remove", () => file("remove", "/x", { force: true }), "force: unknown key; it is called recursive"],
  ["owner of files.write", () => file("write", "/x", "", { owner: "app" }), "owner: unknown key; write uid and gid"],
  ["mode of files.push", () => file("push", "/x", "/y", { mode: 0o755 }), "the modes are those of the host's files"],
];

describe("what users of other libraries write from habit gets an error that names the cure", () => {
  it.each(HABITS)("%s", async (_what, call, told) => {
    const failure = await call().catch((error: unknown) => error);
    if (!isInstanceError(failure, "ERR_CONFIG")) throw failure;
    expect(failure.message).toContain(told);
    expect(failure.message).not.toMatch(/Invalid|\bexpected\b|\breceived\b|Unrecognized/);
  });
  it("also where a capability is absent: reboot of a driver without it names restart()", async () => {
    const other = await mkdtemp(join(tmpdir(), "pileus-habits-"));
    await using plain = await openHost({ root: other, drivers: [fake({ capabilities: ["exec"] })] });
    const instance = await plain.create({ name: "a", driver: "fake", image: await importFakeImage(plain) });
    const failure = await loose(Reflect.get(instance, "reboot"))
      .call(instance)
      .catch((error: Error) => error);
    expect(failure).toMatchObject({ code: "ERR_UNSUPPORTED", message: expect.stringContaining("use restart()") });
    await rm(other, { recursive: true });
  });
});
