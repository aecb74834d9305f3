import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { endGivenUp, endWithPrograms } from "../../src/keeper/given-up.ts";
import { identifyChild, isAlive } from "../../src/system/process-identity.ts";
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
