import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import type { Instance } from "@pileus/core";
import { findKeeper } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it, vi } from "vitest";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();
/** More lines than all buffers between a writer and a program that does not read: about 1 MiB. */
const LINES = `${"x".repeat(62)}\n`.repeat(16_000);

describe("a console that nobody reads inside", () => {
  it(
    "holds back who types, and nothing else: programs run, and the end is told",
    requires(NEEDS, async () => {
      const config = { driver: "lxc", name: "deaf", image: fixture.image, lxc: { init: ["sleep", "2147483647"] } };
      const box = await fixture.host.create({ ...config, driver: "lxc" });
      await box.start();
      const typing = await box.console();
      typing.resume();
      let typed = false;
      typing.write(LINES, () => {
        typed = true;
      });
      await vi.waitFor(async () => expect((await text(await box.logs())).length).toBeGreaterThan(3000), 10_000);
      expect((await box.run(["echo", "here"], { timeout: 10_000 })).stdout).toBe("here\n");
      expect(typed).toBe(false);
      // Others see the console.
      await box.run(["sh", "-c", "echo from inside >/dev/console"], { timeout: 10_000, check: true });
      await vi.waitFor(async () => expect(await text(await box.logs())).toContain("from inside"), 10_000);
      await box.stop({ mode: "kill" });
      expect((await box.inspect()).exit).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
      await box.delete();
    }),
  );

  it(
    "does not hide that PID 1 has ended by itself, and goes on where it reads again",
    requires(NEEDS, async () => {
      const script = "until [ -e /read ]; do sleep 0.05; done; head -n 15000 | wc -l; exit 7";
      const lxc = { init: ["sh", "-c", script] };
      const box = await fixture.host.create({ driver: "lxc", name: "late", image: fixture.image, lxc });
      await box.start();
      const typing = await box.console();
      typing.resume();
      typing.write(LINES);
      await vi.waitFor(async () => expect((await text(await box.logs())).length).toBeGreaterThan(3000), 10_000);
      const end = box.wait();
      await box.run(["touch", "/read"], { timeout: 10_000, check: true });
      expect(await end).toMatchObject({ reason: "program", status: { kind: "exited", code: 7 } });
      expect((await text(await box.logs())).replaceAll(/x+\r?\n/g, "")).toMatch(/15000\r\n/);
      await box.delete();
    }),
  );

  it(
    "holds back who prints while the keeper does not read, and nothing else",
    requires(NEEDS, async () => {
      const box = await fixture.host.create({ driver: "lxc", name: "held", image: fixture.image });
      await box.start();
      const keeper = await findKeeper(`${fixture.root}/names/held/run`);
      const stopped = keeper.state.keeper;
      keeper.detach();
      process.kill(stopped, "SIGSTOP");
      try {
        const flood = ["timeout", "2", "sh", "-c", "yes >/dev/console"];
        expect((await box.run(flood, { timeout: 10_000 })).exit).toMatchObject({ kind: "signaled" });
        expect((await box.run(["echo", "here"], { timeout: 10_000 })).stdout).toBe("here\n");
      } finally {
        process.kill(stopped, "SIGCONT");
      }
      await box.stop({ mode: "kill" });
      expect((await box.inspect()).exit).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
      await box.delete();
    }),
  );

  it(
    "is a new one after a reboot inside: its settings, and what was typed before",
    requires(NEEDS, async () => {
      const box = await fixture.host.create({ driver: "lxc", name: "anew", image: fixture.image });
      await box.start();
      const settings = async () => (await box.run(["sh", "-c", "stty -a </dev/console"], { check: true })).stdout;
      const [before, mode] = [await settings(), (await box.run(["stat", "-c", "%a %u %g", "/dev/console"])).stdout];
      expect(mode).toBe("620 0 5\n");
      const typing = await box.console();
      await new Promise((resolve) => typing.resume().write("typed before\n", resolve));
      await vi.waitFor(async () => expect(await text(await box.logs())).toContain("typed before"), 10_000);
      await box.run(["sh", "-c", "stty raw -echo </dev/console; chown 1000 /dev/console"], { check: true });
      expect(await settings()).not.toBe(before);
      await box.reboot({ timeout: 30_000 });
      expect(await settings()).toBe(before);
      expect((await box.run(["stat", "-c", "%a %u %g", "/dev/console"])).stdout).toBe(mode);
      const reading = await box
        .run(["sh", "-c", "read line </dev/console; echo $line"], { timeout: 500 })
        .catch(String);
      expect(reading).toMatch(/did not finish/);
      typing.destroy();
      await box.delete();
    }),
  );

  it(
    "is a new one after a reboot inside, however it was left",
    requires([...NEEDS, "binary:perl"], async () => {
      const { box, keeper, reboot, console } = await rebooting("left");
      const settings = async () => (await inside(box, "stty -a </dev/console")).stdout;
      const before = await settings();
      await inside(box, "stty raw -echo intr ^A stop ^B </dev/console");
      const left = await settings();
      expect(left).not.toBe(before);
      // ioctl_tty(2): TIOCEXCL; TCXONC, TCOOFF; TIOCSLCKTRMIOS; TIOCSETD, N_NULL of linux/tty.h.
      const script = `open my $c, "+<", "/proc/${keeper.state.program}/root/dev/console" or die $!;
        ioctl $c, $$_[0], $$_[1] or die "$$_[0]: $!" for
          [0x540c, 0], [0x540a, 0], [0x5457, my $locks = "\\xff" x 36], [0x5423, my $null = pack "i", 27]`;
      execFileSync("perl", ["-e", script]);
      await reboot();
      expect(await settings()).toBe(before);
      await inside(box, "echo shown >/dev/console");
      // ^S stops the output, too: then poll(2) says that nothing can be written.
      console.resume().write("\x13");
      const stopped = `open my $c, "+<", "/proc/${keeper.state.program}/root/dev/console" or die $!;
        vec(my $all = "", fileno $c, 1) = 1; exit select undef, $all, undef, 0`;
      await vi.waitFor(() => execFileSync("perl", ["-e", stopped]), 10_000);
      await reboot();
      await inside(box, "echo shown again >/dev/console");
      await vi.waitFor(async () => expect(await text(await box.logs())).toContain("shown again"), 10_000);
      console.destroy();
      keeper.detach();
      await box.delete();
    }),
  );

  it(
    "gives a system that has rebooted nothing of what was typed before, wherever that has waited",
    requires(NEEDS, async () => {
      const { box, run, keeper, reboot, console } = await rebooting("typed");
      console.destroy();
      const typing = connect(`${run}/keeper.sock`);
      typing.resume().write(Buffer.concat([frame(1, [2]), frame(5, [0])]));
      let frames = 0;
      do {
        frames += 1;
        typing.write(frame(6, `frame ${frames}\n`.repeat(300)));
        if (typing.writableLength > 0) await Promise.race([once(typing, "drain"), setTimeout(300)]);
      } while (typing.writableLength === 0);
      await reboot();
      typing.write(frame(6, "typed after\n"));
      const script = "until [ \"$line\" = 'typed after' ]; do read line; echo $line; done </dev/console";
      const { stdout } = await inside(box, script);
      // The last frame has not left this process by then.
      expect(["typed after\n", `frame ${frames}\ntyped after\n`]).toContain(
        [...new Set(stdout.split("\n"))].join("\n"),
      );
      typing.destroy();
      keeper.detach();
      await box.delete();
    }),
  );
});

const inside = (box: Instance<"exec">, script: string) =>
  box.run(["sh", "-c", script], { timeout: 10_000, check: true });

/** A frame to a keeper, with numbers or text: docs/design/0015-keeper.md. */
function frame(kind: number, content: string | readonly number[]): Buffer {
  const payload = typeof content === "string" ? Buffer.from(content) : Buffer.from(Uint32Array.from(content).buffer);
  return Buffer.concat([Buffer.from(Uint32Array.of(kind, payload.length).buffer), payload]);
}

/** A system that does nothing but reboot when it is told to, whatever its console does. */
async function rebooting(name: string) {
  const init = ["sh", "-c", "until [ -e /again ]; do sleep 0.05; done; rm /again; exec reboot -f"];
  const box = await fixture.host.create({ driver: "lxc", name, image: fixture.image, lxc: { init } });
  await box.start();
  const run = `${fixture.root}/names/${name}/run`;
  let hear: () => void = () => undefined;
  const keeper = await findKeeper(run, { started: () => hear() });
  const reboot = async () => {
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    await box.run(["touch", "/again"], { timeout: 10_000, check: true });
    await heard;
  };
  return { box, run, keeper, reboot, console: await box.console() };
}
