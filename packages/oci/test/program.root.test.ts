import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { OciSectionInput } from "../src/section.ts";
import { exited, programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();

/** Files that stand in for a program. */
const ODDITIES = {
  "bin/orphan": { text: "#!/no/such/shell\n", mode: 0o755 },
  "bin/broken": { text: "\x7fELF, or rather not\n", mode: 0o755 },
  "bin/plain": { text: "echo ran $1\n", mode: 0o755 },
};

describe("the program of an instance", () => {
  it(
    "gets exactly its arguments",
    real(async () => {
      const args = ["a b", "", `'"\\`, "new\nline", "$HOME `id`", "-n", "--", "é", "\t"];
      const { stdout, status } = await fixture.outcome(sh('for a; do printf "<%s>" "$a"; done', ...args));
      expect(stdout).toBe(args.map((a) => `<${a}>`).join(""));
      expect(status).toEqual(exited(0));
    }),
  );

  it(
    "gets as many arguments as the kernel passes on",
    real(async () => {
      const args = Array.from({ length: 14 }, () => "x".repeat(130_000));
      const { stdout, status } = await fixture.outcome(sh(`echo $# $(printf %s "$1" | wc -c)`, ...args));
      expect([stdout, status]).toEqual(["14 130000\n", exited(0)]);
    }),
  );

  it(
    "has the image's environment below the instance's, line breaks too, and nothing of the host's",
    real(async () => {
      const { stdout } = await fixture.outcome(
        { entrypoint: ["/usr/bin/env"] },
        { env: { BOTH: "mine", MORE: " x=y " } },
      );
      const lines = stdout.split("\n").sort();
      expect(lines.filter((line) => !/^HOSTNAME=box-\d+$/.test(line))).toEqual(
        [
          "",
          "b",
          "LINES=a",
          "FROM=image",
          "BOTH=mine",
          "MORE= x=y ",
          "HOME=/home/app",
          "container=lxc",
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ].sort(),
      );
    }),
  );

  it(
    "runs as the image's user with its groups, in the image's working directory, which is made",
    real(async () => {
      const { stdout } = await fixture.outcome(sh("id; pwd; stat -c %U:%G ."));
      expect(stdout).toBe("uid=1000(app) gid=1000(app) groups=1000(app),2000(shared)\n/srv/made here\nroot:root\n");
    }),
  );

  it.for<[string, string]>([
    ["root", "uid=0(root) gid=0(root)"],
    ["4242", "uid=4242 gid=0(root)"],
    ["app:shared", "uid=1000(app) gid=2000(shared)"],
    ["7:8", "uid=7 gid=8"],
  ])("runs as user %s on request", ([user, id], context) =>
    real(async () => {
      expect((await fixture.outcome({ ...sh("id"), user })).stdout.trim()).toMatch(
        new RegExp(`^${id.replaceAll(/[()]/g, "\\$&")}`),
      );
    })(context),
  );

  it(
    "is process 1, unprivileged unless asked otherwise",
    real(async () => {
      expect((await fixture.outcome({ ...sh("echo $$; cat /proc/self/uid_map"), user: "root" })).stdout).toMatch(
        /^1\n\s+0\s+[1-9]\d{6,}\s+65536\n$/,
      );
      const privileged = await fixture.outcome({ ...sh("cat /proc/self/uid_map"), user: "root", privileged: true });
      expect(privileged.stdout).toMatch(/^\s+0\s+0\s+4294967295\n$/);
    }),
  );

  it(
    "has supplementary groups, even when privileged",
    real(async () => {
      expect((await fixture.outcome({ ...sh("id -G"), privileged: true })).stdout).toBe("1000 2000\n");
    }),
  );

  it(
    "does not get the signal of an aborted stop once it has a handler",
    real(async () => {
      const script =
        "until [ -e /tmp/go ]; do sleep 0.05; done; trap 'echo struck; exit 0' USR1; : >/tmp/armed; while :; do sleep 0.05; done";
      await fixture.using({ ...sh(script), user: "root" }, async (instance) => {
        await instance.start();
        await expect(instance.stop({ timeout: 300 })).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
        // Longer than the pause between two signals.
        await instance.run(["sh", "-c", ": >/tmp/go; until [ -e /tmp/armed ]; do sleep 0.05; done; sleep 0.7"]);
        expect(await instance.state()).toBe("running");
      });
    }),
  );

  it(
    "finds its own files on /dev: shared memory for all, and no helper of ours",
    real(async () => {
      const { stdout } = await fixture.outcome(sh("stat -c %a /dev/shm; ls -A /dev | grep -c pileus"));
      expect(stdout).toBe("1777\n0\n");
    }),
  );

  it(
    "inherits no descriptor but its input and two outputs",
    real(async () => {
      expect((await fixture.outcome(sh("exec ls /proc/self/fd"))).stdout).toBe("0\n1\n2\n3\n");
    }),
  );

  it.for<[string, OciSectionInput, object]>([
    [
      "is on no path",
      { entrypoint: ["nowhere"] },
      { code: "ERR_PROGRAM_NOT_FOUND", kind: "program", subject: "nowhere" },
    ],
    ["is not there", { entrypoint: ["/no/where"] }, { code: "ERR_PROGRAM_NOT_FOUND", subject: "/no/where" }],
    ["has no interpreter", { entrypoint: ["/bin/orphan"] }, { code: "ERR_PROGRAM_NOT_FOUND", subject: "/bin/orphan" }],
    ["is not a program", { entrypoint: ["/etc/passwd"] }, { code: "ERR_FILE", errno: "EACCES" }],
    ["is a folder", { entrypoint: ["/etc"] }, { code: "ERR_FILE", errno: "EACCES" }],
    ["leads through a file", { entrypoint: ["/etc/passwd/x"] }, { code: "ERR_FILE", errno: "ENOTDIR" }],
    ["is broken", { entrypoint: ["/bin/broken"] }, { code: "ERR_FILE", errno: "ENOEXEC" }],
  ])("that %s fails the start for any user, and leaves the instance stopped", ([, section, error], context) =>
    real(async () => {
      const image = await fixture.load(["busybox", ODDITIES], { user: "app" });
      // One of them with supplementary groups.
      for (const user of ["0:0", "1000:1000", "app"])
        await fixture.using(
          { ...section, user },
          async (instance) => {
            await expect(instance.start()).rejects.toMatchObject(error);
            expect(await instance.state()).toBe("stopped");
            expect(await fixture.leftovers()).toEqual([]);
          },
          { image },
        );
    })(context),
  );

  it(
    "that is a text file without an interpreter line is run by sh, for any user",
    real(async () => {
      const image = await fixture.load(["busybox", ODDITIES], { user: "app" });
      for (const user of ["0:0", "app"]) {
        const { stdout, status } = await fixture.outcome({ entrypoint: ["plain", "it"], user }, { image });
        expect([stdout, status]).toEqual(["ran it\n", exited(0)]);
      }
    }),
  );

  it(
    "whose user does not exist fails the start",
    real(async () => {
      await fixture.using({ user: "nobody-here" }, async (instance) => {
        await expect(instance.start()).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
        expect(await instance.state()).toBe("stopped");
      });
    }),
  );

  it(
    "may listen to port 80 as any user",
    real(async () => {
      const listening = "until cat /proc/net/tcp* | grep -q :0050; do kill -0 $! || exit 1; done; kill $!; echo yes";
      const { stdout } = await fixture.outcome(sh(`nc -l -p 80 & ${listening}`));
      expect(stdout).toBe("yes\n");
    }),
  );

  it(
    "reaches itself on 127.0.0.1 without a network device",
    real(async () => {
      // It listens before it goes to the background.
      const serve = "mkdir /tmp/served; echo reached >/tmp/served/file; httpd -p 127.0.0.1:8080 -h /tmp/served";
      const { stdout } = await fixture.outcome(sh(`${serve}; wget -q -O - http://127.0.0.1:8080/file`));
      expect(stdout).toBe("reached\n");
    }),
  );

  it(
    "that is not named fails the create, which leaves nothing",
    real(async () => {
      const nothing = await fixture.load(["busybox"]);
      const create = fixture.host.create({ driver: "oci", name: "nothing", image: nothing });
      await expect(create).rejects.toMatchObject({ code: "ERR_CONFIG" });
      await expect(fixture.host.get("nothing")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    }),
  );

  it(
    "needs nothing in its image: no shell, no /etc, no libc",
    real(async () => {
      const busybox = await readFile("/bin/busybox");
      const bare = await fixture.load([{ busybox: { text: busybox, mode: 0o755 } }], {
        entrypoint: ["/busybox", "sleep", "1000"],
      });
      await fixture.using(
        {},
        async (instance) => {
          await instance.start();
          expect((await instance.run(["/busybox", "id", "-u"])).stdout).toBe("0\n");
          await instance.files.write("/new", "x");
          expect((await instance.run(["/busybox", "cat", "/new"])).stdout).toBe("x");
        },
        { image: bare },
      );
    }),
  );
});
