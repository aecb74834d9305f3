import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { LAUNCH_HELPER, spawn as run } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { type Abi, syscallNumbers } from "../src/seccomp/syscall-numbers.ts";

const FACTS =
  "umask; ulimit -Sn; ulimit -c; nice; cat /proc/self/oom_score_adj; grep SigIgn /proc/self/status; ls /proc/self/fd";

it(
  "starts a tool with none of the settings of its caller",
  requires(["root"], async () => {
    const caller = `umask 077; ulimit -Sn 64; ulimit -Sc 1; trap '' HUP TERM USR1; echo 500 >/proc/self/oom_score_adj
      exec nice -n 5 /proc/self/fd/3 3 /bin/sh -c "$0" 5</dev/null`;
    const child = spawn("/bin/sh", ["-c", caller, FACTS], {
      stdio: ["ignore", "pipe", "inherit", LAUNCH_HELPER.descriptor()],
    });
    const [said] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), once(child, "exit")]);
    expect(said.split("\n").slice(0, 6)).toEqual(["0022", "1024", "0", "0", "0", "SigIgn:\t0000000000000000"]);
    // ls opens one itself.
    expect(said.split("\n").slice(6)).toEqual(["0", "1", "2", "3", ""]);
  }),
);

// session-keyring(7): without a session of its own, an exec in a container could read the keys of the application.
it(
  "starts a tool that has no key of its caller",
  requires(["root", "binary:perl"], async () => {
    const numbers = syscallNumbers(process.arch as Abi);
    const [keyctl, add, request] = ["keyctl", "add_key", "request_key"].map((name) => numbers.get(name));
    const ask = `my ($type, $name) = ("user", "pileus-test"); print syscall(${request}, $type, $name, 0, 0) > 0 ? "found " : "none "`;
    const caller = `$| = 1; syscall(${keyctl}, 1, 0); my ($type, $name, $secret) = ("user", "pileus-test", "x");
      syscall(${add}, $type, $name, $secret, 1, -3) > 0 or die $!; system "perl", "-e", $ARGV[0];
      exec "/proc/self/fd/3", "3", "/usr/bin/perl", "-e", $ARGV[0]`;
    const child = spawn("perl", ["-e", `$^F = 3; ${caller}`, ask], {
      stdio: ["ignore", "pipe", "inherit", LAUNCH_HELPER.descriptor()],
    });
    const [said] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), once(child, "exit")]);
    expect(said).toBe("found none ");
  }),
);

// ioctl_tty(2), TIOCSTI: who has it as its controlling terminal can type there.
it(
  "starts a tool without the terminal of its caller",
  requires(["root", "binary:perl", "binary:script"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-launch-"));
    try {
      const look =
        'if (open my $tty, "+<", "/dev/tty") { my $x = "x"; print "typed " . ioctl($tty, 0x5412, $x) } else { print "none: " . int $! }';
      const launched = `const { launch } = await import(${JSON.stringify(import.meta.resolve("@pileus/core/driver"))});
        const { openSync } = await import("node:fs");
        const output = openSync(${JSON.stringify(join(folder, "launched"))}, "w");
        await launch(["/usr/bin/perl", "-e", process.argv[1]], { descriptors: ["ignore", output, "ignore"] }).exit;`;
      const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", "--input-type=module"];
      const quoted = [...node, "-e", launched, look].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
      const both = `perl -e '${look}' >${folder}/inherits; ${quoted}`;
      await run(["script", "--quiet", "--return", "--command", both, "/dev/null"], { cwd: import.meta.dirname });
      expect(await readFile(join(folder, "inherits"), "utf8")).toMatch(/^typed /);
      // ENXIO
      expect(await readFile(join(folder, "launched"), "utf8")).toBe("none: 6");
    } finally {
      await rm(folder, { recursive: true });
    }
  }),
);
