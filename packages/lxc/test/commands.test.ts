import { expect, it } from "vitest";
import { parseCgroupLayout } from "../../core/src/system/cgroup.ts";
import { attachArgv, starterArgv } from "../src/commands.ts";
import { keeperOrder } from "../src/keeper-order.ts";
import { FULL_SPEC, PROGRAM_SPEC } from "./support/spec.ts";

const NO_CGROUPS = parseCgroupLayout("", () => "");

it("brings the helper of exec in as root, with all capabilities to give up, and with nothing of our environment", () => {
  expect(attachArgv("/usr/bin/lxc-attach", FULL_SPEC, "/proc/self/fd/4")).toEqual([
    ...["/usr/bin/lxc-attach", "--lxcpath", "/run/pileus/abcdefghij-web", "--name", "web", "--uid", "0", "--gid", "0"],
    ...["--elevated-privileges=CAP", "--clear-env", "--", "/proc/self/fd/4"],
  ]);
});

it("has a starter whose arguments are known before the root is open: names, ids, and PID 1's helper with its socket", () => {
  const extra = [{ inside: 1000, outside: 1000, count: 1, of: "uid" } as const];
  const idmap = { base: 100_000, count: 65_536, extra };
  expect(starterArgv({ ...FULL_SPEC, idmap })).toEqual([
    ...["pileus-starter", "/run/pileus/abcdefghij-web", "web", "100000"],
    ...["0 100000 1000\n1000 1000 1\n1001 101001 64535\n", "0 100000 65536\n"],
    ...["/dev/.pileus-init", "/dev/.pileus-announce"],
  ]);
  expect(starterArgv({ ...FULL_SPEC, idmap: undefined }).slice(3, 6)).toEqual(["", "", ""]);
});

it("has a keeper start a system on a console that belongs to its own root and to its own group tty", () => {
  expect(keeperOrder(FULL_SPEC, NO_CGROUPS)).toMatchObject({
    argv: starterArgv(FULL_SPEC),
    // What no line of the configuration can hold, and nothing that the starter would act on.
    env: { LINES: "one\ntwo" },
    terminal: { columns: 80, rows: 24 },
    owner: { uid: 100_000, gid: 100_005 },
  });
  expect(keeperOrder({ ...FULL_SPEC, idmap: undefined }, NO_CGROUPS)).toMatchObject({ owner: { uid: 0, gid: 5 } });
});

it("has a keeper start a program with pipes that belong to its user", () => {
  const order = keeperOrder(PROGRAM_SPEC, NO_CGROUPS);
  expect(order).toMatchObject({ argv: starterArgv(PROGRAM_SPEC), env: {}, owner: { uid: 999, gid: 998 } });
  expect(order).not.toHaveProperty("terminal");
});
