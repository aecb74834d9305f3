import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { identifyProcess, removeOwnCgroup, SPARE_ID, signalProcess, spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { failureOf, startQemu } from "../src/start-qemu.ts";

// The system calls of x86-64, which is the only architecture of machines.
const [ADD_KEY, REQUEST_KEY, KEYCTL] = [248, 249, 250];

/** In place of QEMU: asks for a key by its name, and says whether there is one. */
const ASK = `my ($type, $name) = ("user", "pileus-test"); print syscall(${REQUEST_KEY}, $type, $name, 0, 0) > 0 ? "found" : "none"`;

/** Becomes what stands behind it, with a session keyring that has that key: session-keyring(7). */
const WITH_KEY = `syscall(${KEYCTL}, 1, 0); my ($type, $name, $secret) = ("user", "pileus-test", "x");
  syscall(${ADD_KEY}, $type, $name, $secret, 1, -3) > 0 or die $!; exec @ARGV`;

const START = `const { startQemu } = await import(${JSON.stringify(import.meta.resolve("../src/start-qemu.ts"))});
  const [cgroup, folder, ask] = process.argv.slice(1);
  const user = { uid: ${SPARE_ID}, gid: ${SPARE_ID}, groups: [] };
  const keeper = await startQemu({ run: folder, log: folder, config: {} }, { argv: ["perl", "-e", ask], cgroup, user, descriptors: [] });
  await keeper.exit;`;

it(
  "starts QEMU with no key of its caller, which a program of any user could otherwise read",
  requires(["root", "binary:perl"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-keys-"));
    const cgroup = `pileus-qemu-keys-${process.pid}`;
    const ofUser = ["setpriv", `--reuid=${SPARE_ID}`, `--regid=${SPARE_ID}`, "--clear-groups"];
    try {
      const inherits = await spawn(["perl", "-e", WITH_KEY, ...ofUser, "perl", "-e", ASK]);
      expect(inherits.stdout).toBe("found");
      const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", "--input-type=module"];
      const cwd = fileURLToPath(new URL("..", import.meta.url));
      await spawn(["perl", "-e", WITH_KEY, ...node, "-e", START, cgroup, folder, ASK], { cwd });
      expect(await readFile(join(folder, "output.log"), "utf8")).toMatch(/ console P none\n/);
    } finally {
      await removeOwnCgroup(cgroup);
      await rm(folder, { recursive: true });
    }
  }),
);

it(
  "keeps what the machine and its QEMU print from filling the disk, while no process of the host holds it",
  requires(["root", "binary:perl"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-output-"));
    const cgroup = `pileus-qemu-output-${process.pid}`;
    const print = 'my $line = "x" x 999 . "\\n"; for (1 .. 50000) { print $line; print STDERR $line }';
    try {
      const argv = ["perl", "-e", print];
      const keeper = await startQemu(
        { run: folder, log: folder, config: {} },
        { argv, cgroup, user: undefined, descriptors: [] },
      );
      keeper.detach();
      await vi.waitFor(() => readFile(join(folder, "exit")), 60_000);
      const names = (await readdir(folder)).filter((name) => name.startsWith("output.log")).sort();
      expect(names).toEqual(["output.log", "output.log.1", "output.log.2", "output.log.3"]);
      for (const name of names) expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(16 * 2 ** 20);
    } finally {
      await removeOwnCgroup(cgroup);
      await rm(folder, { recursive: true });
    }
  }),
);

it(
  "quotes what a QEMU printed that has ended, also while its keeper does not tell how",
  requires(["root", "binary:perl"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-failure-"));
    const cgroup = `pileus-qemu-failure-${process.pid}`;
    const instance = { run: folder, log: folder, config: {} };
    const argv = ["perl", "-e", "$| = 1; print STDERR qq(no such device\\n); sleep 1000"];
    try {
      const keeper = await startQemu(instance, { argv, cgroup, user: undefined, descriptors: [] });
      await vi.waitFor(
        async () => expect(await readFile(join(folder, "output.log"), "utf8")).toContain("device"),
        10_000,
      );
      const [itself, program] = [
        await identifyProcess(keeper.state.keeper),
        await identifyProcess(keeper.state.program),
      ];
      if (itself === undefined || program === undefined) throw new Error("nothing runs");
      await signalProcess(itself, "SIGSTOP");
      await signalProcess(program, "SIGKILL");
      expect(await failureOf(instance, argv, keeper)).toMatchObject({ exitCode: 1, stderr: "no such device\n" });
      await signalProcess(itself, "SIGCONT");
      expect(await failureOf(instance, argv, keeper)).toMatchObject({ signal: "SIGKILL", stderr: "no such device\n" });
    } finally {
      await removeOwnCgroup(cgroup);
      await rm(folder, { recursive: true });
    }
  }),
);
