import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isInstanceError, openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";
import { oci } from "@pileus/oci";
import { qemu } from "@pileus/qemu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let root: string;
const open = () => openHost({ root, drivers: [lxc(), oci(), qemu()] });
let host: Awaited<ReturnType<typeof open>>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-mistakes-"));
  host = await open();
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

const PROFILE = { defaultAction: "SCMP_ACT_ALLOW" };

const MISTAKES: readonly (readonly [driver: string, section: unknown, told: string])[] = [
  ["lxc", "x", "lxc: must be an object, but is a string"],
  [
    "lxc",
    { init: "/sbin/init" },
    'lxc.init: must be a list of a program and its arguments, but is a string: write ["/sbin/',
  ],
  ["lxc", { init: [] }, "lxc.init: must be a list of a program and its arguments, but is empty"],
  ["lxc", { init: ["/sbin/init", 5] }, 'lxc.init.1: must be a string, but is 5: write "5"'],
  ["lxc", { init: ["/sbin/init", "a\0"] }, "lxc.init.1: an argument cannot contain NUL"],
  ["lxc", { privileged: "true" }, "lxc.privileged: must be true or false, but is a string: write true"],
  ["lxc", { haltSignal: "SIGHALT" }, "lxc.haltSignal: no such signal: write SIGTERM, SIGRTMIN+3 or a number"],
  ["lxc", { privilege: true }, 'lxc.privilege: unknown key; did you mean "privileged"?'],
  [
    "oci",
    { cmd: "npm start" },
    'but is a string: write ["npm", "start"], or for a command line of a shell ["sh", "-c",',
  ],
  [
    "oci",
    { entrypoint: "sh" },
    'oci.entrypoint: must be a list of a program and its arguments, but is a string: write ["sh"]',
  ],
  ["oci", { command: ["sh"] }, "oci.command: unknown key; it is called cmd here"],
  ["oci", { args: ["sh"] }, "oci.args: unknown key; it is called cmd here"],
  ["oci", { env: {} }, "oci.env: unknown key; it belongs beside oci: write env, oci: {"],
  ["oci", { environment: {} }, "oci.environment: unknown key; write env: { NAME: value } beside the section"],
  ["oci", { idMap: "shared" }, 'oci.idMap: unknown key; did you mean "idmap"?'],
  ["oci", { seccomp: "strict" }, 'oci.seccomp: must be "default", "unconfined", or a profile in Docker'],
  [
    "oci",
    { seccomp: "/etc/docker/seccomp.json" },
    'oci.seccomp: must be "default", "unconfined", or a profile in Docker\'s format, as an object: JSON.parse(await readFile(path',
  ],
  ["oci", { seccomp: {} }, "oci.seccomp.defaultAction: must be "],
  ["oci", { seccomp: { defaultAction: "ALLOW" } }, 'oci.seccomp.defaultAction: must be "SCMP_ACT_ERRNO" or'],
  ["oci", { seccomp: { ...PROFILE, sycalls: [] } }, 'oci.seccomp.sycalls: unknown key; did you mean "syscalls"?'],
  [
    "oci",
    {
      seccomp: {
        ...PROFILE,
        syscalls: [
          { names: ["read"], action: "SCMP_ACT_LOG" },
          { names: ["opn"], action: "SCMP_ACT_ERRNO" },
        ],
      },
    },
    "oci.seccomp.syscalls.1.names.0: no such system call of x86 or ARM: it would stay allowed",
  ],
  [
    "oci",
    { seccomp: { ...PROFILE, syscalls: [{ names: "read", action: "SCMP_ACT_LOG" }] } },
    'oci.seccomp.syscalls.0.names: must be a list, but is a string: write ["read"]',
  ],
  [
    "lxc",
    { seccomp: { defaultAction: "SCMP_ACT_ERRNO" } },
    "lxc.seccomp: the profile refuses capget, capset, setgroups, setgid, setuid, execve, so no program can start",
  ],
  ["lxc", { command: ["sh"] }, "lxc.command: unknown key; PID 1 is called init here"],
  ["oci", { workdir: "srv" }, "oci.workdir: a working directory is an absolute path"],
  ["oci", { user: 1000 }, 'oci.user: must be a string, but is 1000: write "1000"'],
  ["oci", { stopSignal: "SIGHALT" }, "oci.stopSignal: no such signal: write SIGTERM"],
  ["oci", { init: 1 }, "oci.init: must be true or false, but is 1"],
  ["oci", { keepAlive: true, cmd: ["sh"] }, "oci.cmd: keepAlive starts no program: leave this or keepAlive out"],
  ["qemu", { machine: "pc" }, 'qemu.machine: must be "q35" or "microvm", or a version of q35'],
  ["qemu", { rootSize: "8" }, 'qemu.rootSize: "8" is not a size: write the number 8 for bytes, or add a unit'],
  ["qemu", { rootSize: "1MiB" }, "qemu.rootSize: a root disk has at least 16MiB"],
  ["qemu", { cpuModel: "" }, "qemu.cpuModel: a processor model is letters, digits and"],
  ["qemu", { disk: "8GiB" }, "qemu.disk: unknown key; known keys: machine, rootSize"],
];

describe("a mistake in the section of a driver is reported in the words of this library", () => {
  it.each(MISTAKES)("%s: %j", async (driver, section, told) => {
    const config = { name: "a", driver, image: "x", [driver]: section };
    const failure = await host.create(config as never).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!isInstanceError(failure, "ERR_CONFIG")) throw failure;
    expect(failure.message).toContain(told);
    expect(failure.message).not.toMatch(/Invalid|\bexpected\b|\breceived\b|Unrecognized/);
  });
});
