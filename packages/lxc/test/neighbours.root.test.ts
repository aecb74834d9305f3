import { once } from "node:events";
import { chmodSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import type { Idmap } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { type Abi, syscallNumbers } from "../src/seccomp/syscall-numbers.ts";
import { addPerl } from "./support/perl.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

const KEY_SPEC_USER_KEYRING = -4;

/** argv that makes keys up to a number, and prints how many it made. */
function makeKeys(most: number): readonly string[] {
  const number = syscallNumbers(process.arch as Abi).get("add_key");
  const script = `my $n = 0; my ($type, $text) = ("user", "x");
    for (1..${most}) { my $name = "key-$_"; syscall(${number}, $type, $name, $text, 1, ${KEY_SPEC_USER_KEYRING}) < 0 ? last : $n++ }
    print $n`;
  return ["perl", "-e", script];
}

/** argv that makes as many inotify instances as it can, prints their number, and keeps them until its input ends. */
function watchMuch(): readonly string[] {
  const number = syscallNumbers(process.arch as Abi).get("inotify_init1");
  const script = `$| = 1; my $n = 0; $n++ while $n < 100000 && syscall(${number}, 0) >= 0; print "$n\\n"; <STDIN>`;
  return ["perl", "-e", script];
}

describe("a neighbour of a container", () => {
  it(
    "can make keys though that container has made all that its user may, and exec still works there",
    requires([...NEEDS, "binary:perl"], async () => {
      const most = Number(readFileSync("/proc/sys/kernel/keys/maxkeys", "utf8"));
      await using greedy = await fixture.running();
      await using other = await fixture.running();
      await Promise.all([addPerl(greedy), addPerl(other)]);
      expect(Number((await greedy.run(makeKeys(most + 1))).stdout)).toBeLessThanOrEqual(most);
      expect((await greedy.run(["true"])).exitCode).toBe(0);
      expect((await other.run(makeKeys(1))).stdout).toBe("1");
    }),
  );

  it(
    "can watch files though that container has made all inotify instances that its user may, and so can the host",
    requires([...NEEDS, "binary:perl"], async () => {
      await using greedy = await fixture.running();
      await using other = await fixture.running();
      await Promise.all([addPerl(greedy), addPerl(other)]);
      const most = Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));
      await using hog = await greedy.exec(watchMuch());
      const [made] = await once(hog.stdout, "data");
      expect(Number(made)).toBe(most);
      // Nobody inside gets more, with whatever id.
      expect((await greedy.run(watchMuch(), { user: "1000" })).stdout).toBe("0\n");
      expect(Number((await other.run(watchMuch())).stdout)).toBe(most);
      watch("/").close();
    }),
  );

  it(
    "that got out, and has only its ids on the host, reaches neither its files nor its programs nor their memory",
    requires([...NEEDS, "binary:setpriv"], async () => {
      await using target = await fixture.running();
      await using other = await fixture.running();
      const { pid } = await target.inspect();
      const { base } = (await other.inspect()).idmap as Idmap;
      const as = (...argv: string[]) =>
        spawn(["setpriv", `--reuid=${base}`, `--regid=${base}`, "--clear-groups", ...argv], { allow: [0, 1, 2] });
      // So that only the folders below protect their content.
      chmodSync(fixture.root, 0o755);
      const instance = join(fixture.root, "names", target.name);
      for (const path of [instance, `${instance}/root/upper`, `/proc/${pid}/root/`, `/proc/${pid}/fd/`])
        expect((await as("ls", path)).stderr).toContain("Permission denied");
      for (const path of [`${instance}/instance.json`, `/proc/${pid}/environ`, `/proc/${pid}/mem`])
        expect((await as("head", "-c", "1", path)).stderr).toContain("Permission denied");
      for (const signal of ["0", "KILL"]) expect((await as("kill", `-${signal}`, String(pid))).exitCode).toBe(1);
      expect(await target.state()).toBe("running");
    }),
  );
});
