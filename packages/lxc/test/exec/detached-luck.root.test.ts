import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { signalProcess, waitForEnd } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it, vi } from "vitest";
import { END, identity, KILLED, keeperOf, keptFixture, killed, lineOf } from "../support/kept-fixture.ts";

const NEEDS = ["root"] as const;
const fixture = keptFixture();

describe("detached programs with bad luck", () => {
  it(
    "go on when their keeper is killed: another takes over, with the output and its count",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const go = join(kept.run, "go");
      const { id } = await kept.start(`echo before; until [ -e ${go} ]; do sleep 0.01; done; echo after; exit 5`);
      expect(await lineOf(kept, id)).toBe("before");
      const program = await kept.open(id);
      await killed((await keeperOf(kept, id)).keeper);
      writeFileSync(go, "");
      expect(await program.exit).toEqual({ kind: "exited", code: 5 });
      expect(await kept.outputOf(id)).toEqual({ at: 0, text: "before\nafter\n" });
      expect(await kept.outputOf(id, 9)).toEqual({ at: 9, text: "ter\n" });
    }),
  );
  it(
    "can be signalled after the death of their keeper, and are over with their holder",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const [one, other] = [await kept.start("sleep 1000"), await kept.start("echo $$; exec sleep 1000")];
      await killed((await keeperOf(kept, one.id)).keeper);
      const program = await kept.open(one.id);
      await program.kill("SIGTERM");
      expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
      const inside = await identity(Number(await lineOf(kept, other.id)));
      await killed((await keeperOf(kept, other.id)).holder);
      await waitForEnd(inside, END);
      expect(await kept.exitOf(other.id)).toBeUndefined();
      expect((await kept.programs.list({})).find(({ id }) => id === other.id)).toMatchObject({ state: "lost" });
    }),
  );
  it(
    "can be stopped, and go on, and their holder with them",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const { id } = await kept.start("echo $$; exec sleep 1000");
      const inside = Number(await lineOf(kept, id));
      const program = await kept.open(id);
      const stateOf = () => readFileSync(`/proc/${inside}/stat`, "latin1").split(") ")[1]?.[0];
      await program.kill("SIGSTOP");
      await vi.waitFor(() => expect(stateOf()).toBe("T"), END);
      await program.kill("SIGCONT");
      await vi.waitFor(() => expect(stateOf()).not.toBe("T"), END);
      await program.kill("SIGKILL");
      expect(await program.exit).toEqual(KILLED);
    }),
  );
  it(
    "are seen and signalled while the keeper of one hangs, and that one tells its end later",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const [one, other] = [await kept.start("exec sleep 1000"), await kept.start("exec sleep 1000")];
      const { keeper, holder } = await keeperOf(kept, one.id);
      const [hung, parent] = [await identity(keeper), await identity(holder)];
      await signalProcess(hung, "SIGSTOP");
      try {
        const listed = await kept.programs.list({});
        expect(listed.map(({ id, state }) => [id, state])).toEqual([one, other].map(({ id }) => [id, "running"]));
        const program = await kept.open(one.id);
        await program.kill("SIGKILL");
        await waitForEnd(parent, END);
        program.release();
      } finally {
        await signalProcess(hung, "SIGCONT");
      }
      expect(await kept.exitOf(one.id)).toEqual(KILLED);
    }),
  );
  it(
    "are over when nobody saw their end, as long as any other, from the time when that was seen",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const { id } = await kept.start("exec sleep 1000");
      const { keeper, holder } = await keeperOf(kept, id);
      await killed(keeper);
      await killed(holder);
      // As of one that has run for long.
      for (const name of ["holder", "status"]) utimesSync(join(kept.folder(id), name), 0, 0);
      const before = Date.now();
      const [lost] = await kept.programs.list({});
      expect(lost).toMatchObject({ id, state: "lost" });
      expect(lost?.endedAt).toBeGreaterThanOrEqual(before - 100);
      expect(lost?.endedAt).toBeLessThanOrEqual(Date.now() + 100);
      expect(await kept.programs.list({})).toEqual([lost]);
      expect(await kept.exitOf(id)).toBeUndefined();
      utimesSync(join(kept.folder(id), "lost"), 0, 0);
      expect(await kept.programs.list({})).toEqual([]);
    }),
  );
  it(
    "tell a failure that keeps their end from being seen, and the end to who asks after that",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const { id } = await kept.start("exec sleep 1000");
      const record = join(kept.folder(id), "exit.new");
      rmSync(record);
      mkdirSync(record);
      const program = await kept.open(id);
      await killed((await keeperOf(kept, id)).keeper);
      await expect(program.exit).rejects.toMatchObject({ code: "EISDIR" });
      expect(await kept.programs.list({})).toMatchObject([{ id, state: "running" }]);
      rmdirSync(record);
      const again = await kept.open(id);
      await again.kill("SIGKILL");
      expect(await again.exit).toEqual(KILLED);
    }),
  );
  it(
    "are not taken for another process that has the pid on record",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const { id } = await kept.start("exec sleep 1000");
      const { keeper, holder } = await keeperOf(kept, id);
      const record = join(kept.folder(id), "holder");
      const stranger = spawn("sleep", ["1000"]);
      await killed(keeper);
      const good = readFileSync(record, "latin1");
      writeFileSync(record, good.replace(String(holder), String(stranger.pid)).slice(0, 63).padEnd(63).concat("\n"));
      const program = await kept.open(id);
      await program.kill("SIGKILL");
      expect(program.info.state).toBe("lost");
      const end = once(stranger, "exit");
      stranger.kill("SIGTERM");
      expect(await end).toEqual([null, "SIGTERM"]);
      await killed(holder);
    }),
  );
  it(
    "take no room when they never started: their folders go with the next look",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const ids = Array.from({ length: 100 }, () => kept.id());
      for (const id of ids) {
        mkdirSync(kept.folder(id), { recursive: true });
        writeFileSync(join(kept.folder(id), "program.json"), JSON.stringify({ argv: ["true"], startedAt: Date.now() }));
      }
      const { id } = await kept.start("exec sleep 1000");
      expect((await kept.programs.list({})).map((info) => info.id)).toEqual([id]);
      expect(readdirSync(join(kept.run, "exec"))).toEqual([id]);
    }),
  );
  it(
    "end alone: one whose server is killed is lost, and its neighbours and the helper's next programs go on",
    requires(NEEDS, async () => {
      const { kept } = fixture;
      const [lost, neighbour] = [await kept.start("echo $PPID; exec sleep 1000"), await kept.start("exec sleep 1000")];
      const server = Number(await lineOf(kept, lost.id));
      const [inside] = readFileSync(`/proc/${server}/task/${server}/children`, "latin1").split(" ");
      await killed(server);
      expect(await kept.exitOf(lost.id)).toBeUndefined();
      // Who kills what serves his own program keeps that program.
      await killed(Number(inside));
      expect((await kept.programs.list({})).map(({ state }) => state).sort()).toEqual(["lost", "running"]);
      const next = await kept.start("exit 6");
      expect(await kept.exitOf(next.id)).toEqual({ kind: "exited", code: 6 });
      const program = await kept.open(neighbour.id);
      await program.kill("SIGINT");
      expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGINT" });
    }),
  );
});
