import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { endGivenUp, endStart, endWithPrograms } from "../../src/keeper/given-up.ts";
import { identifyChild, isAlive, type ProcessIdentity } from "../../src/system/process-identity.ts";
import { places } from "./support.ts";

const place = places();

it("a holder that is ended with its programs starts no other when it sees their end", async () => {
  const next = join(place().run, "next");
  const script = `sleep 1000 & echo $!; wait; : >"$0"; exec sleep 1000`;
  // As a holder it leads a session: all that is in its session is ended with it.
  const child = spawn("sh", ["-c", script, next], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await once(child.stdout, "data");
  const [holder, program] = [identifyChild(child.pid ?? expect.fail("no holder")), identifyChild(Number(said))];
  expect(await endWithPrograms(holder)).toBe(true);
  expect([await isAlive(holder), await isAlive(program), existsSync(next)]).toEqual([false, false, false]);
});

it("a start without a holder has left nothing", async () => {
  expect(await endGivenUp(place().run)).toBe(true);
});

it("a start is over with what its keeper has still started after the first look, before it was killed", async () => {
  const { run } = place();
  let holder: ProcessIdentity | undefined;
  const keeper = {
    exit: new Promise<never>(() => undefined),
    // It is stopped at first, and goes on a moment before its end.
    kill() {
      holder = recordedHolder(run);
      return true;
    },
  };
  await endStart(keeper, run, 1);
  expect(await isAlive(holder ?? expect.fail("no holder"))).toBe(false);
});

/** A process that is the holder of that run: it has `status` as its descriptor 12 and is on record. */
function recordedHolder(run: string): ProcessIdentity {
  const status = openSync(join(run, "status"), "w");
  const stdio = [...Array<"ignore">(12).fill("ignore"), status];
  const { pid = expect.fail("no holder") } = spawn("sleep", ["1000"], { detached: true, stdio });
  closeSync(status);
  writeFileSync(join(run, "holder"), `${pid} 0 0 0 0\n`);
  return identifyChild(pid);
}
