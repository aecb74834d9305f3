import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { HostError } from "@pileus/core";
import { apparmorLabels, apparmorTraces, DRIVERS, FACTOR, image, open, sh } from "../inside/host.ts";

const PARSER = "/usr/sbin/apparmor_parser";
const PROFILE = "lxc-container-default-with-nesting";
const timeout = 30_000 * FACTOR;

for (const driver of DRIVERS)
  describe(`AppArmor and ${driver}`, () => {
    const name = `apparmor-${driver}`;
    let host: Awaited<ReturnType<typeof open>>;
    let instance: Awaited<ReturnType<(typeof host)["create"]>>;
    before(async () => {
      host = await open();
      await image(host.images, driver);
      instance = await host.create({ driver, name, image: driver });
    });
    after(async () => {
      await instance.delete();
      await host[Symbol.asyncDispose]();
    });

    it("leaves no profile when the monitor of a container is killed", async () => {
      await instance.start();
      assert.notDeepEqual(apparmorTraces(name), []);
      // The brackets keep it from finding itself.
      sh(`pkill -KILL -f -- '--name ${name}[ ]'`);
      await instance.wait();
      await instance.stop({ mode: "kill" });
      await instance.start();
      await instance.ready({ timeout });
      await instance.stop({ mode: "kill" });
      assert.deepEqual(apparmorTraces(name), []);
    });
    it("uses a loaded profile if the parser is missing", async () => {
      renameSync(PARSER, `${PARSER}.away`);
      try {
        assert.deepEqual((await host.doctor()).drivers[driver]?.missing, []);
        await instance.start();
        await instance.ready({ timeout });
        for (const label of apparmorLabels(name)) assert.equal(label.trim(), `${PROFILE} (enforce)`);
        await instance.stop({ mode: "kill" });
      } finally {
        renameSync(`${PARSER}.away`, PARSER);
      }
    });
    it("refuses to start a container that it cannot confine and names the fix, and doctor() reports it", async () => {
      renameSync(PARSER, `${PARSER}.away`);
      writeFileSync("/sys/kernel/security/apparmor/.remove", PROFILE);
      try {
        await assert.rejects(instance.start(), HostError);
        assert.equal(await instance.state(), "stopped");
        const needs = (await host.doctor()).drivers[driver]?.missing.map(({ need }) => need);
        assert.deepEqual(needs, ["binary:apparmor_parser"]);
      } finally {
        renameSync(`${PARSER}.away`, PARSER);
        sh("systemctl reload apparmor");
      }
    });
  });
