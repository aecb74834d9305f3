import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { cpus } from "node:os";
import { text } from "node:stream/consumers";
import { type InstanceMetrics, LOG_STREAMS, type LogStream } from "../../contract/capability.ts";
import { eventually, rejectsWith } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";

/** Seconds between the actual start of an instance and its recorded start. */
const START = 10;

/** The figures that count events, by what they count. */
function countsOf({ memory, network = {}, disk = {} }: InstanceMetrics): Readonly<Record<string, number>> {
  const entries = [
    ["kills", memory.oomKills ?? 0] as const,
    ...Object.entries(disk).flatMap(([name, { read, written }]) => [
      [`read from ${name}`, read] as const,
      [`written to ${name}`, written] as const,
    ]),
    ...Object.entries(network).flatMap(([nic, ways]) =>
      Object.entries(ways).flatMap(([way, traffic]) =>
        Object.entries(traffic).map(([what, count]) => [`${what} ${way} by ${nic}`, count as number] as const),
      ),
    ),
  ];
  return Object.fromEntries(entries);
}

/** Chapter: what is visible of an instance from outside: metrics, addresses, logs. */
export function describeObservation(fixture: Fixture): void {
  const { prints } = fixture.subject;

  fixture.describe("metrics", () => {
    fixture.it(
      "count upwards while it runs, and need it to run",
      async () => {
        const instance = await fixture.running();
        const first = await instance.metrics();
        // At most what all processors can give; a value in nanoseconds would be more.
        const { startedAt = Date.now() } = await instance.inspect();
        const most = ((Date.now() - startedAt) / 1000 + START) * cpus().length;
        assert.ok(first.cpu.seconds >= 0 && first.cpu.seconds <= most, `${first.cpu.seconds} s of ${most} s`);
        assert.ok(first.memory.bytes > 0);
        if (first.memory.limitBytes !== undefined) assert.ok(first.memory.limitBytes >= first.memory.bytes);
        if (first.processes !== undefined) assert.ok(first.processes >= 1);
        let last = first.cpu.seconds;
        // The clock of some hosts counts in hundredths of a second.
        await eventually(fixture.deadline, "more processor time", async () => {
          if (fixture.has("exec")) await instance.run(["head", "-c", "4194304", "/dev/zero"]);
          const { seconds } = (await instance.metrics()).cpu;
          assert.ok(seconds >= last, "processor time ran backwards");
          last = seconds;
          return !fixture.has("exec") || seconds > first.cpu.seconds || undefined;
        });
        await instance.stop({ mode: "kill" });
        await rejectsWith(instance.metrics(), "ERR_INSTANCE_STATE");
      },
      "metrics",
    );
    fixture.it(
      "have what went through each nic and to each disk, and never count downwards",
      async () => {
        const instance = await fixture.running();
        const { devices } = (await instance.inspect()).config;
        const nics = Object.keys(devices).filter((name) => devices[name]?.type === "nic");
        const first = countsOf(await instance.metrics());
        if (fixture.has("exec")) await instance.run(["sh", "-c", "head -c 100000 /dev/zero >/tmp/counted; sync"]);
        const now = await instance.metrics();
        if (now.network !== undefined) assert.deepEqual(Object.keys(now.network).sort(), nics.sort());
        for (const [name, count] of Object.entries(countsOf(now)))
          assert.ok(Number.isInteger(count) && count >= (first[name] ?? 0), `${name}: ${first[name]}, then ${count}`);
      },
      "metrics",
    );
    fixture.it(
      "count the processes inside, where they are counted",
      async () => {
        const instance = await fixture.running();
        const { processes } = await instance.metrics();
        if (processes === undefined) return;
        // Many, because processes of the instance's own start may end meanwhile.
        const sleepers = `${"sleep 1000 & ".repeat(10)}wait`;
        await using _sleepers = await instance.exec(["sh", "-c", sleepers]);
        await eventually(fixture.deadline, "some processes more", async () => {
          const now = (await instance.metrics()).processes ?? 0;
          return now > processes + 2 || undefined;
        });
      },
      "metrics",
      "exec",
    );
    fixture.it(
      "are available for a frozen instance",
      async () => {
        const instance = await fixture.running();
        await instance.freeze();
        assert.ok((await instance.metrics()).memory.bytes > 0);
        await instance.unfreeze();
      },
      "metrics",
      "freeze",
    );
  });

  fixture.describe("addresses", () => {
    fixture.it(
      "are those of each nic, without loopback and link-local ones",
      async () => {
        const instance = await fixture.running();
        const { config } = await instance.inspect();
        const addresses = await instance.addresses();
        for (const { address, family, prefix, mac } of addresses) {
          assert.ok(family === "inet" ? isIPv4(address) : isIPv6(address), `${address} is no ${family} address`);
          assert.ok(!/^(?:127\.|169\.254\.|::1$|fe80:)/.test(address), `${address} is of no use to others`);
          assert.ok(Number.isInteger(prefix) && prefix > 0 && prefix <= 128);
          assert.match(mac, /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/);
        }
        const nics = Object.entries(config.devices).filter(([, device]) => device.type === "nic");
        const inet = addresses.filter(({ family }) => family === "inet");
        // A guest chooses the names of its interfaces, so they are counted, not compared by name.
        assert.ok(inet.length >= nics.length, `${nics.length} nics, and ${inet.length} IPv4 addresses`);
        await instance.stop({ mode: "kill" });
        await rejectsWith(instance.addresses(), "ERR_INSTANCE_STATE");
      },
      "network",
    );
  });

  fixture.describe("logs", () => {
    fixture.it(
      "have the streams of this kind of instance, and reject with UnsupportedError for the others",
      async () => {
        const instance = await fixture.running();
        const streams = fixture.subject.streams ?? LOG_STREAMS[(await instance.inspect()).kind];
        for (const stream of new Set(Object.values(LOG_STREAMS).flat())) {
          if (streams.includes(stream)) await text(await instance.logs({ stream }));
          else await rejectsWith(instance.logs({ stream }), "ERR_UNSUPPORTED");
        }
        await rejectsWith(instance.logs({ stream: "no-such-stream" as LogStream }), "ERR_CONFIG");
      },
      "logs",
    );
    if (prints === undefined) return;
    fixture.it(
      "have what it printed since its last start, while it runs and after",
      async () => {
        const instance = await fixture.stopped();
        await instance.start();
        const printed = () =>
          eventually(fixture.deadline, `${prints.text} in its ${prints.stream}`, async () => {
            const log = await text(await instance.logs({ stream: prints.stream }));
            return prints.text.test(log) ? log : undefined;
          });
        const while_ = await printed();
        await instance.stop({ mode: "kill" });
        const after = await text(await instance.logs({ stream: prints.stream }));
        assert.ok(after.startsWith(while_), "what was there while it ran is not there any more");
        await instance.start();
        const again = await printed();
        const count = again.match(new RegExp(prints.text.source, "g"))?.length;
        assert.equal(count, while_.match(new RegExp(prints.text.source, "g"))?.length, "the former run is in it too");
      },
      "logs",
    );
  });
}
