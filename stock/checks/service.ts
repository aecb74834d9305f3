import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { after, afterEach, describe, it } from "node:test";
import { identifyProcess, waitForEnd } from "@pileus/core/driver";
import { assertAllAlive, removeAll, startTimes } from "../inside/alive.ts";
import { COMMAND, runApplication, runUnit } from "../inside/application.ts";
import { NETWORK, open, sh } from "../inside/host.ts";

/** With what a service has by default, but that systemd starts it again when it crashes. */
const START = `systemd-run --unit=application -p Restart=on-failure ${COMMAND}`;

/** How long the processes of a session may take to end, in milliseconds. systemd kills them after 90 s. */
const END_TIME = 120_000;

describe("the application as a systemd service", () => {
  /** Of the first start: the application starts again what does not run. */
  let started: readonly unknown[];
  const assertSameRuns = async () => {
    await assertAllAlive();
    assert.deepEqual(await startTimes(), started);
  };
  after(async () => {
    sh("systemctl stop application; systemctl reset-failed");
    await removeAll();
  });

  it("starts, with its network and instances", async () => {
    await runUnit(START);
    await assertAllAlive();
    started = await startTimes();
  });
  it("leaves them running when it is restarted", async () => {
    await runUnit("systemctl restart application");
    await assertSameRuns();
  });
  it("leaves them running when systemd itself is reloaded and re-executed", async () => {
    sh("systemctl daemon-reload && systemctl daemon-reexec");
    await assertSameRuns();
  });
  it("leaves them running when it crashes, and systemd starts it again", async () => {
    await runUnit("systemctl kill --kill-whom=main --signal=KILL application");
    await assertSameRuns();
  });
  it("leaves them running when it is stopped", async () => {
    sh("systemctl stop application");
    await assertSameRuns();
  });
  it("leaves them running when the services of the host's network are restarted", async () => {
    sh("systemctl restart systemd-networkd systemd-resolved");
    await assertSameRuns();
  });
  it("reports a network as down when nftables has dropped its rules, and raises it when a host opens", async () => {
    const whole = () => sh("nft list tables").includes(NETWORK.name);
    await using host = await open();
    assert.equal(whole(), true);
    // The file of Debian begins with `flush ruleset`.
    sh("systemctl restart nftables");
    assert.equal(whole(), false);
    assert.equal((await host.networks.get(NETWORK.name)).up, false);
    // As a stock host has it. This drops the rules once more; so would the start of firewalld, which ends this service.
    sh("systemctl stop nftables");
    await using next = await open();
    // A host opens without waiting for repairs; doctor() waits for them.
    await next.doctor();
    assert.equal(whole(), true);
    assert.equal((await next.networks.get(NETWORK.name)).up, true);
    await assertSameRuns();
  });
});

describe("the application of a user who logs in, without lingering", () => {
  afterEach(removeAll);

  it("leaves its instances running when the session is ended, with all its processes", async () => {
    const { child, pid } = await runApplication(["su", "-l", "root", "-c", COMMAND]);
    const application = await identifyProcess(pid);
    assert.ok(application !== undefined);
    const session = /session-(\w+)\.scope/.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
    const exit = once(child, "exit");
    // As logind does by itself at a logout with KillUserProcesses=yes.
    sh(`loginctl terminate-session ${session}`);
    await exit;
    // su(1) may end before it.
    await waitForEnd(application, { timeout: END_TIME });
    await assertAllAlive();
  });
  it("leaves them running when a service of the user ends with the last session", async () => {
    const command = `systemd-run --user --unit=application ${COMMAND} && exec sleep infinity`;
    // pam_systemd(8): since systemd 258, root has a manager of services only in a session of this class.
    const { child, pid } = await runApplication(["env", "XDG_SESSION_CLASS=user", "su", "-l", "root", "-c", command]);
    assert.match(readFileSync(`/proc/${pid}/cgroup`, "utf8"), /user@0\.service/);
    assert.equal(sh("loginctl show-user root --property=Linger --value"), "no");
    const exit = once(child, "exit");
    sh("loginctl terminate-user root");
    await exit;
    // logind does so some seconds later; this waits for its end.
    sh("systemctl stop user@0.service");
    assert.equal(existsSync(`/proc/${pid}`), false);
    await assertAllAlive();
  });
});
