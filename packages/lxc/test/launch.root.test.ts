import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { LAUNCH_HELPER } from "../src/helpers.ts";
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
