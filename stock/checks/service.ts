import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { assertAllAlive, removeAll } from "../inside/alive.ts";
import { COMMAND, isActive, runApplication, runUnit, UP } from "../inside/application.ts";
import { NETWORK, open, sh, until } from "../inside/host.ts";

const START = `systemd-run --unit=application ${COMMAND}`;

describe("the application as a systemd service with the defaults of systemd", () => {
  after(async () => {
    sh("systemctl stop application; systemctl reset-failed");
    await removeAll();
  });

  it("starts, with its network and instances", async () => {
    await runUnit(START);
    await assertAllAlive();
  });
  it("leaves them running when it is restarted", async () => {
    await runUnit("systemctl restart application");
    await assertAllAlive();
  });
  it("leaves them running when systemd itself is reloaded and re-executed", async () => {
    sh("systemctl daemon-reload && systemctl daemon-reexec");
    await assertAllAlive();
  });
  it("leaves them running when it crashes", async () => {
    sh("systemctl kill --kill-whom=main --signal=KILL application");
    await until("it has failed", () => !isActive());
    await assertAllAlive();
    sh("systemctl reset-failed application");
    await runUnit(START);
  });
  it("leaves them running when it is stopped", async () => {
    sh("systemctl stop application");
    await assertAllAlive();
  });
  it("leaves them running when the services of the host's network are restarted", async () => {
    sh("systemctl restart systemd-networkd systemd-resolved");
    await assertAllAlive();
  });
  it("reports a network as down when nftables has dropped its rules, and raises it again", async () => {
    // The file of Debian begins with `flush ruleset`.
    sh("systemctl restart nftables");
    const whole = () => sh("nft list tables").includes(NETWORK.name);
    await using host = await open();
    assert.equal((await host.networks.get(NETWORK.name)).up, whole());
    await host.networks.create(NETWORK);
    assert.equal(whole(), true);
    await assertAllAlive();
  });
});

describe("the application of a user who logs in", () => {
  after(removeAll);

  it("leaves its instances running when the session is ended, with all its processes", async () => {
    await runApplication(["su", "-l", "root", "-c", COMMAND]);
    const pid = readFileSync(UP, "utf8");
    const session = /session-(\w+)\.scope/.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
    // As logind does by itself at a logout with KillUserProcesses=yes.
    sh(`loginctl terminate-session ${session}`);
    await until("the application has ended", () => !existsSync(`/proc/${pid}`));
    await assertAllAlive();
  });
});
