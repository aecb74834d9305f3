import { describeAtOnce } from "./chapters/at-once.ts";
import { describeCancel } from "./chapters/cancel.ts";
import { describeConfinement } from "./chapters/confinement.ts";
import { describeConsole } from "./chapters/console.ts";
import { describeDetached } from "./chapters/detached.ts";
import { describeDevices } from "./chapters/devices.ts";
import { describeErrors } from "./chapters/errors.ts";
import { describeEvents } from "./chapters/events.ts";
import { describeExec } from "./chapters/exec.ts";
import { describeExecEnds } from "./chapters/exec-ends.ts";
import { describeExecResults } from "./chapters/exec-results.ts";
import { describeFiles } from "./chapters/files.ts";
import { describeFreeze } from "./chapters/freeze.ts";
import { describeHang } from "./chapters/hang.ts";
import { describeHost } from "./chapters/host.ts";
import { describeIds } from "./chapters/ids.ts";
import { describeJournal } from "./chapters/journal.ts";
import { describeLifecycle } from "./chapters/lifecycle.ts";
import { describeLogs } from "./chapters/logs.ts";
import { describeObservation } from "./chapters/observation.ts";
import { describeOneTruth } from "./chapters/one-truth.ts";
import { describeOtherHost } from "./chapters/other-host.ts";
import { describePlaces } from "./chapters/places.ts";
import { describeReach } from "./chapters/reach.ts";
import { describeRecover } from "./chapters/recover.ts";
import { describeRename } from "./chapters/rename.ts";
import { describeStop } from "./chapters/stop.ts";
import { describeTreeLinks } from "./chapters/tree-links.ts";
import { describeTrees } from "./chapters/trees.ts";
import { describeUpdate } from "./chapters/update.ts";
import { Fixture } from "./kit/fixture.ts";
import type { DriverSubject, Runner } from "./kit/subject.ts";

/**
 * The conformance kit: tests of a driver against the contract. Programs that rely on the contract work with every
 * driver that passes.
 *
 * Call it once for each driver, in a test file, with the functions of the test runner: those of vitest directly, those
 * of `node:test` as `{ describe, it, afterAll: (hook) => after(hook) }`.
 */
export function describeDriver(runner: Runner, subject: DriverSubject): void {
  runner.describe(`the driver ${subject.driver}`, () => {
    const fixture = new Fixture(runner, subject);
    describeErrors(fixture);
    describeLifecycle(fixture);
    describeHost(fixture);
    describeRename(fixture);
    describeUpdate(fixture);
    describeDevices(fixture);
    describeIds(fixture);
    describeStop(fixture);
    describeFreeze(fixture);
    describeObservation(fixture);
    describeLogs(fixture);
    describeConsole(fixture);
    describeExec(fixture);
    describeExecEnds(fixture);
    describeExecResults(fixture);
    describeDetached(fixture);
    describeFiles(fixture);
    describePlaces(fixture);
    describeTrees(fixture);
    describeTreeLinks(fixture);
    describeConfinement(fixture);
    describeReach(fixture);
    describeEvents(fixture);
    describeCancel(fixture);
    describeOtherHost(fixture);
    describeAtOnce(fixture);
    describeJournal(fixture);
    describeOneTruth(fixture);
    describeHang(fixture);
    describeRecover(fixture);
    runner.afterAll(() => fixture.close(), fixture.deadline * 10);
  });
}
