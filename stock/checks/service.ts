import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { assertAllAlive, removeAll } from "../inside/alive.ts";
import { COMMAND, UP, untilUp } from "../inside/application.ts";
import { NETWORK, open, sh, until } from "../inside/host.ts";

const isActive = () => sh("systemctl is-active application || true") === "active";
const start = () => void sh(`systemd-run --unit=application ${COMMAND}`);

describe("the application as a systemd service with the defaults of systemd", () => {
  after(async () => {
    sh("systemctl stop application; systemctl reset-failed");
    await removeAll();
  });

  it("starts, with its network and instances", async () => {
    await untilUp(start, isActive);
    await assertAllAlive();
  });
  it("leaves them running when it is restarted", async () => {
    await untilUp(() => void sh("systemctl restart application"), isActive);
    await assertAllAlive();
  });
  it("leaves them running when systemd itself is reloaded and executed anew", async () => {
    sh("systemctl daemon-reload && systemctl daemon-reexec");
    await assertAllAlive();
  });
  it("leaves them running when it crashes", async () => {
    sh("systemctl kill --kill-whom=main --signal=KILL application");
    await until("it has failed", () => !isActive());
    await assertAllAlive();
    sh("systemctl reset-failed application");
    await untilUp(start, isActive);
  });
  it("leaves them running when it is stopped", async () => {
    sh("systemctl stop application");
    await assertAllAlive();
  });
  it("leaves them running when the services of the host's network are restarted", async () => {
    sh("systemctl restart systemd-networkd systemd-resolved");
    await assertAllAlive();
  });
  it("says that a network is down when nftables has dropped its rules, and raises it again", async () => {
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

describe("the application of a user who logs out, with lingering off", () => {
  const dropIn = "/run/systemd/logind.conf.d/kill.conf";
  after(async () => {
    rmSync(dropIn);
    sh("systemctl restart systemd-logind");
    await removeAll();
  });

  it("leaves its instances running when the session ends, with all its processes", async () => {
    mkdirSync("/run/systemd/logind.conf.d", { recursive: true });
    // Root is excluded by default.
    writeFileSync(dropIn, "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n");
    sh("systemctl restart systemd-logind");
    const login = `${COMMAND} >/dev/null 2>&1 & until [ -e ${UP} ]; do sleep 1; done; cat /proc/self/cgroup`;
    await untilUp(
      () => assert.match(sh(`su -l root -c '${login}'`), /session-/),
      () => true,
    );
    const pid = readFileSync(UP, "utf8");
    await until("the logout has ended the application", () => !existsSync(`/proc/${pid}`));
    await assertAllAlive();
  });
});
