import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { HostError } from "@pileus/core";
import { apparmorLabels, apparmorProfiles, apparmorTraces, DRIVERS, FACTOR, image, open, sh } from "../inside/host.ts";

const PARSER = "/usr/sbin/apparmor_parser";
const PROFILE = "lxc-container-default-with-nesting";
const unload = (profile: string) => writeFileSync("/sys/kernel/security/apparmor/.remove", profile);
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

    it("confines each container by a profile that the host's first start of its kind loads", async () => {
      for (const profile of apparmorProfiles()) unload(profile);
      const started: string[][] = [];
      for (let time = 0; time < 2; time++) {
        await instance.start();
        await instance.ready({ timeout });
        started.push(apparmorProfiles());
        for (const label of apparmorLabels(name)) assert.equal(label, `${started[0]?.[0]} (enforce)`);
        await instance.stop({ mode: "kill" });
      }
      const [first] = started;
      assert.match(String(first), /^lxc-pileus-(system|application)-\w+$/);
      assert.deepEqual(started, [first, first]);
      assert.deepEqual(apparmorTraces(), []);
    });
    it("uses a loaded profile if the parser is missing", async () => {
      for (const profile of apparmorProfiles()) unload(profile);
      renameSync(PARSER, `${PARSER}.away`);
      try {
        assert.deepEqual((await host.doctor()).drivers[driver]?.missing, []);
        await instance.start();
        await instance.ready({ timeout });
        for (const label of apparmorLabels(name)) assert.equal(label, `${PROFILE} (enforce)`);
        await instance.stop({ mode: "kill" });
      } finally {
        renameSync(`${PARSER}.away`, PARSER);
      }
    });
    it("refuses to start a container that it cannot confine and names the fix, and doctor() reports it", async () => {
      renameSync(PARSER, `${PARSER}.away`);
      unload(PROFILE);
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
