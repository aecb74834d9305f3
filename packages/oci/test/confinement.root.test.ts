import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { attemptArgv, attemptResults, perlFiles } from "../../lxc/test/support/perl.ts";
import { MEASURE, measured, securityTable } from "../../lxc/test/support/security-table.ts";
import { exited, programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();
let perl = "";
beforeAll(async () => {
  if (fixture.image !== "") perl = await fixture.load(["busybox", perlFiles()]);
});

const STATUS = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/$1/status | tr -d '\\t'";

/** What proc_pid_status(5) says of a program's rights, by the kernel's names. */
function parseStatus(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split(":").map((part) => part.replace(/^0+(?=.)/, "")) as [string, string]),
  );
}

const DOCKER = "a80425fb";
const ROOT = { CapInh: "0", CapPrm: DOCKER, CapEff: DOCKER, CapBnd: DOCKER, CapAmb: "0" };
const USER = { CapInh: "0", CapPrm: "0", CapEff: "0", CapBnd: DOCKER, CapAmb: "0" };
const CONFINED = { Seccomp: "2", NoNewPrivs: "1" };

describe("a program of an application container", () => {
  it.for([
    { init: false, user: "0", is: ROOT },
    { init: false, user: "app", is: USER },
    { init: true, user: "0", is: ROOT },
    { init: true, user: "app", is: USER },
  ])("has the rights of Docker's containers, as have the programs of exec: %j", ({ init, user, is }, context) =>
    real(async () => {
      await fixture.using({ entrypoint: ["sleep", "1000"], init, user }, async (instance) => {
        await instance.start();
        const of = async (pid: string, as?: string) =>
          parseStatus((await instance.run(["sh", "-c", STATUS, "sh", pid], { user: as })).stdout);
        expect(await of("1")).toEqual({ ...is, ...CONFINED });
        expect(await of("self")).toEqual({ ...is, ...CONFINED });
        expect(await of("self", "0")).toEqual({ ...ROOT, ...CONFINED });
        expect(await of("self", "app")).toEqual({ ...USER, ...CONFINED });
      });
    })(context),
  );
});

describe("what a program of an application container tries against the host", () => {
  it(
    "is not refused for the sockets of the container's own network",
    real(async () => {
      const [AF_PACKET, SOCK_RAW] = [17, 3];
      const { stdout } = await fixture.outcome(
        { entrypoint: attemptArgv([["socket", AF_PACKET, SOCK_RAW, 0]]) },
        { image: perl },
      );
      // NET_RAW is among the 14: ping, and everything else, in the container's own network.
      expect(attemptResults(stdout)).toEqual({ socket: "allowed" });
    }),
  );

  it(
    "finds no switch of the kernel that it can turn, and no secret of the kernel that it can read",
    real(async () => {
      const script = `
        (echo 1 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null && echo "wrote"
        for f in kcore keys timer_list latency_stats interrupts sched_debug; do
          [ -e /proc/$f ] && head -c 1 /proc/$f | grep -q . && echo "read /proc/$f"
        done
        ls -A /sys/firmware /proc/scsi /proc/acpi /proc/asound 2>/dev/null | grep -v ':$' | grep .
        hostname elsewhere 2>/dev/null && echo "renamed"
        ls -d /proc/[0-9]* | wc -l | { read n; [ $n -gt 10 ] && echo "sees $n processes"; }
        echo 500 >/proc/self/oom_score_adj && echo 7 >/proc/self/coredump_filter && echo "set its own"
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/self/status >/dev/null && echo "read its own"`;
      const { stdout, stderr } = await fixture.outcome({ ...sh(script), user: "0" });
      expect([stdout, stderr]).toEqual(["set its own\nread its own\n", ""]);
    }),
  );
});

describe("an application container", () => {
  it(
    "has the rights that docs/security.md states, as measured inside",
    real(async () => {
      const { stdout } = await fixture.outcome({ ...sh(MEASURE), user: "0" });
      expect(measured(stdout)).toEqual(securityTable("oci"));
    }),
  );
});

/** A profile that refuses calls by their arguments, which nothing can foresee. */
function whenCalled(action: "SCMP_ACT_ERRNO", names = ["execve"]) {
  const rule = { names, action, args: [{ index: 0, value: 0, op: "SCMP_CMP_GE" as const }] };
  return { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] } as const;
}

describe("a configuration", () => {
  it(
    "adds capabilities with the system calls that need them, or drops all",
    real(async () => {
      const add = { capabilities: { add: ["SYS_ADMIN"] }, user: "0" } as const;
      await fixture.using({ ...add, entrypoint: ["sleep", "1000"] }, async (instance) => {
        await instance.start();
        expect((await instance.run(["mount", "-t", "tmpfs", "none", "/mnt"])).exit).toEqual(exited(0));
      });
      for (const user of ["0", "app"]) {
        const none = { capabilities: { drop: ["all"] }, user, entrypoint: ["sleep", "1000"] } as const;
        await fixture.using(none, async (instance) => {
          await instance.start();
          const of = async (pid: string, as?: string) =>
            parseStatus((await instance.run(["sh", "-c", STATUS, "sh", pid], { user: as })).stdout);
          const nothing = { CapInh: "0", CapPrm: "0", CapEff: "0", CapBnd: "0", CapAmb: "0" };
          expect(await of("1")).toEqual({ ...nothing, ...CONFINED });
          for (const as of ["0", "app"]) expect(await of("self", as)).toEqual({ ...nothing, ...CONFINED });
          // The helper of an exec can still end a program of another user.
          const late = instance.run(["sleep", "1000"], { user: "app", timeout: 200 });
          await expect(late).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
          expect((await instance.run(["sh", "-c", "pidof sleep | wc -w"])).stdout).toBe("1\n");
        });
      }
    }),
  );

  it(
    "turns each restriction off",
    real(async () => {
      const open = {
        capabilities: { add: ["all"] },
        noNewPrivileges: false,
        seccomp: "unconfined",
        systemPaths: "unconfined",
      } as const;
      const script = `${STATUS.replace("$1", "self")}; head -c 1 /proc/interrupts | grep -q . && echo seen`;
      const { stdout } = await fixture.outcome({ ...sh(script), ...open, user: "0" });
      const seen = parseStatus(stdout.replace("seen\n", ""));
      expect(seen).toMatchObject({ Seccomp: "0", NoNewPrivs: "0", CapBnd: seen["CapEff"] });
      expect(Number.parseInt(seen["CapBnd"] ?? "", 16)).toBeGreaterThanOrEqual(2 ** 38);
      expect(stdout.includes("seen")).toBe(existsSync("/proc/interrupts"));
    }),
  );

  it(
    "replaces the list of system calls, and the error names the step of a start that its profile denies",
    real(async () => {
      const rule = {
        names: ["chmod", "fchmod", "fchmodat", "fchmodat2"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 13,
      } as const;
      const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] } as const;
      const { stderr, status } = await fixture.outcome({ ...sh("touch /tmp/x; chmod 600 /tmp/x"), seccomp });
      expect([stderr, status]).toEqual([expect.stringContaining("Permission denied"), exited(1)]);
      await expect(fixture.outcome({ ...sh("exit 0"), seccomp: whenCalled("SCMP_ACT_ERRNO") })).rejects.toThrow(
        /^cannot run \/bin\/sh: EPERM: .*seccomp profile/,
      );
    }),
  );

  it.for(["SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"] as const)(
    "is refused before anything is made if its profile lets no program start: %s",
    (defaultAction, context) =>
      real(async () => {
        const refused = fixture.outcome({ ...sh("exit 0"), seccomp: { defaultAction } });
        await expect(refused).rejects.toThrow(
          /oci\.seccomp: the profile refuses capget, .*, execve, so no program can/,
        );
        await expect(refused).rejects.toMatchObject({ code: "ERR_CONFIG" });
        expect(await fixture.leftovers()).toEqual([]);
      })(context),
  );

  it.for([{ init: false }, { init: true }])(
    "is told at once that its profile ended the program: %j",
    ({ init }, context) =>
      real(async () => {
        // execve passes, the loader of the program does not.
        const deny = {
          names: ["arch_prctl", "set_tid_address", "brk", "mmap"],
          action: "SCMP_ACT_KILL_PROCESS",
        } as const;
        const strict = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [deny] } as const;
        await fixture.using({ ...sh("sleep 1000"), init, seccomp: strict }, async (instance) => {
          await instance.start();
          const { status } = await instance.wait({ signal: AbortSignal.timeout(10_000) });
          // Our init ends with 128 plus the signal.
          expect(status).toEqual(init ? exited(128 + 31) : { kind: "signaled", signal: "SIGSYS" });
          if (!init) await expect(instance.run(["true"])).rejects.toThrow(/SIGSYS: .* its seccomp profile refuses/);
        });
      })(context),
  );

  it(
    "ends soon if its profile refuses even the end of a process",
    real(async () => {
      const seccomp = whenCalled("SCMP_ACT_ERRNO", ["execve", "sendto", "exit_group", "exit"]);
      await fixture.using({ ...sh("exit 0"), seccomp }, async (instance) => {
        await instance.start();
        expect((await instance.wait({ signal: AbortSignal.timeout(10_000) })).status).toMatchObject({
          kind: "signaled",
        });
      });
    }),
  );
});

describe("what images do", () => {
  it(
    "works: a root that hands files over and becomes another user, a user on port 80, ping",
    real(async () => {
      const script = `set -e
        mkdir -p /data; chown app /data; chmod 2775 /data; mknod /tmp/p p; chroot / true
        su app -s /bin/sh -c 'id -u; echo x >/data/file; nc -l -p 80 </dev/null & p=$!; sleep 0.2; kill $p'
        setuidgid app id -u 2>/dev/null || su app -s /bin/sh -c 'id -u'
        ping -c 1 -w 5 127.0.0.1 | grep -c '1 packets received'
        kill -0 1; ulimit -n 1024`;
      const { stdout, stderr, status } = await fixture.outcome({ ...sh(script), user: "0" });
      expect([stdout, stderr, status]).toEqual(["1000\n1000\n1\n", "", exited(0)]);
      const user = await fixture.outcome({ ...sh("nc -l -p 80 </dev/null & sleep 0.2; kill $! && echo bound") });
      expect(user.stdout).toBe("bound\n");
      const [AF_INET, SOCK_DGRAM, IPPROTO_ICMP] = [2, 2, 1];
      const ping = attemptArgv([["socket", AF_INET, SOCK_DGRAM, IPPROTO_ICMP]]);
      for (const privileged of [false, true]) {
        const { stdout: answer } = await fixture.outcome(
          { entrypoint: ping, user: "app", privileged },
          { image: perl },
        );
        expect(attemptResults(answer)).toEqual({ socket: "allowed" });
      }
    }),
  );
});
