import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Instance, type OciProcess, openHost } from "@pileus/core";
import { identifyProcess, signalProcess, waitForEnd } from "@pileus/core/driver";
import { lacking, requires } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leftovers } from "../../lxc/test/support/leftovers.ts";
import { type OciCapability, oci } from "../src/index.ts";
import type { OciSectionInput } from "../src/section.ts";
import { buildImage, type LayerContent } from "./support/build-image.ts";

const NEEDS = ["root", "cgroup", "overlay", "binary:lxc-start"] as const;
const NETWORK = { name: "pileus-oci0", "ipv4.address": "10.231.77.1/24" };
const open = () => openHost({ root: join(folder, "root"), drivers: [oci()] });

let folder: string;
let host: Awaited<ReturnType<typeof open>>;
let image: string;

const real = (test: () => Promise<void>) => requires(NEEDS, test);

async function load(layers: readonly LayerContent[], config: Partial<OciProcess> = {}): Promise<string> {
  const { source } = await buildImage(folder, `image-${next()}`, layers, config);
  return (await host.images.import(source)).fingerprint;
}
let count = 0;
function next(): number {
  count += 1;
  return count;
}

/** Runs an instance for the length of a test. */
async function using(
  section: OciSectionInput,
  test: (instance: Instance<OciCapability>) => Promise<void>,
  more: {
    readonly image?: string;
    readonly env?: Record<string, string>;
    readonly network?: true;
    readonly limits?: { memory: string };
  } = {},
): Promise<void> {
  const devices = more.network ? { eth0: { type: "nic" as const, network: NETWORK.name } } : {};
  const { limits = {}, env = {} } = more;
  const config = {
    driver: "oci",
    name: `box-${next()}`,
    image: more.image ?? image,
    oci: section,
    env,
    devices,
    limits,
  } as const;
  const instance = await host.create(config);
  try {
    await test(instance);
  } finally {
    await instance.delete();
  }
}

/** What a program says and how it ends, when it is left alone. */
async function outcome(section: OciSectionInput, more: Parameters<typeof using>[2] = {}) {
  const result = { stdout: "", stderr: "", status: undefined as unknown };
  await using(
    section,
    async (instance) => {
      await instance.start();
      result.status = (await instance.wait()).status;
      result.stdout = await text(await instance.logs("stdout"));
      result.stderr = await text(await instance.logs("stderr"));
    },
    more,
  );
  return result;
}

const sh = (script: string, ...args: string[]) => ({ entrypoint: ["/bin/sh", "-c", script, "sh", ...args] });
const exited = (code: number) => ({ kind: "exited", code });

beforeAll(async () => {
  if (NEEDS.some((need) => lacking(need) !== undefined)) return;
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-program-"));
  host = await open();
  image = await load(["busybox"], {
    cmd: [
      "/bin/sh",
      "-c",
      "trap 'echo asked; sleep 2; echo done; exit 3' USR1; echo up; while :; do sleep 1 & wait $!; done",
    ],
    env: ["FROM=image", "LINES=a\nb", "BOTH=image"],
    workdir: "/srv/made here",
    user: "app",
    stopSignal: "SIGUSR1",
  });
});
afterAll(async () => {
  if (folder === undefined) return;
  const root = join(folder, "root");
  await host.networks.delete(NETWORK.name);
  const left = await leftovers(root);
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

describe("the program of an instance", () => {
  it(
    "gets exactly its arguments",
    real(async () => {
      const args = ["a b", "", `'"\\`, "new\nline", "$HOME `id`", "-n", "--", "é", "\t"];
      const { stdout, status } = await outcome(sh('for a; do printf "<%s>" "$a"; done', ...args));
      expect(stdout).toBe(args.map((a) => `<${a}>`).join(""));
      expect(status).toEqual(exited(0));
    }),
  );

  it(
    "has the image's environment below the instance's, line breaks too, and nothing of the host's",
    real(async () => {
      const { stdout } = await outcome({ entrypoint: ["/usr/bin/env"] }, { env: { BOTH: "mine", MORE: " x=y " } });
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
      const { stdout } = await outcome(sh("id; pwd; stat -c %U:%G ."));
      expect(stdout).toBe("uid=1000(app) gid=1000(app) groups=2000(shared)\n/srv/made here\nroot:root\n");
    }),
  );

  it.for<[string, string]>([
    ["root", "uid=0(root) gid=0(root)"],
    ["4242", "uid=4242 gid=0(root)"],
    ["app:shared", "uid=1000(app) gid=2000(shared)"],
    ["7:8", "uid=7 gid=8"],
  ])("runs as user %s when told so", ([user, id], context) =>
    real(async () => {
      expect((await outcome({ ...sh("id"), user })).stdout.trim()).toMatch(
        new RegExp(`^${id.replaceAll(/[()]/g, "\\$&")}`),
      );
    })(context),
  );

  it(
    "is process 1, unprivileged unless asked otherwise",
    real(async () => {
      expect((await outcome({ ...sh("echo $$; cat /proc/self/uid_map"), user: "root" })).stdout).toMatch(
        /^1\n\s+0\s+100000\s+65536\n$/,
      );
      const privileged = await outcome({ ...sh("cat /proc/self/uid_map"), user: "root", privileged: true });
      expect(privileged.stdout).toMatch(/^\s+0\s+0\s+4294967295\n$/);
    }),
  );

  it(
    "has supplementary groups when it is privileged, too",
    real(async () => {
      expect((await outcome({ ...sh("id -G"), privileged: true })).stdout).toBe("1000 2000\n");
    }),
  );

  it(
    "finds its own files on /dev: shared memory for all, and no helper of ours",
    real(async () => {
      const { stdout } = await outcome(sh("stat -c %a /dev/shm; ls -A /dev | grep -c pileus"));
      expect(stdout).toBe("1777\n0\n");
    }),
  );

  it(
    "inherits no descriptor but its input and two outputs",
    real(async () => {
      expect((await outcome(sh("exec ls /proc/self/fd"))).stdout).toBe("0\n1\n2\n3\n");
    }),
  );

  it(
    "that does not exist fails the start, which leaves the instance stopped",
    real(async () => {
      for (const entrypoint of [["nowhere"], ["/no/where"]])
        await using({ entrypoint, user: "root" }, async (instance) => {
          await expect(instance.start()).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND", kind: "program" });
          expect(await instance.state()).toBe("stopped");
          expect(await leftovers(join(folder, "root"))).toEqual([]);
        });
    }),
  );

  it(
    "that does not exist ends with 127 where it was to have supplementary groups",
    real(async () => {
      const { status, stderr } = await outcome({ entrypoint: ["nowhere"] });
      expect([status, stderr]).toEqual([exited(127), "init: cannot run nowhere: not found\n"]);
    }),
  );

  it(
    "whose user does not exist fails the start",
    real(async () => {
      await using({ user: "nobody-here" }, async (instance) => {
        await expect(instance.start()).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
        expect(await instance.state()).toBe("stopped");
      });
    }),
  );

  it(
    "that nobody names fails the create, which leaves nothing",
    real(async () => {
      const nothing = await load(["busybox"]);
      const create = host.create({ driver: "oci", name: "nothing", image: nothing });
      await expect(create).rejects.toMatchObject({ code: "ERR_INSTANCE_CONFIG" });
      await expect(host.get("nothing")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    }),
  );

  it(
    "needs nothing in its image: no shell, no /etc, no libc",
    real(async () => {
      const busybox = await readFile("/bin/busybox");
      const bare = await load([{ busybox: { text: busybox, mode: 0o755 } }], {
        entrypoint: ["/busybox", "sleep", "1000"],
      });
      await using(
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

describe("its end", () => {
  it.for([0, 1, 7, 255])("by exit code %d is kept", (code, context) =>
    real(async () => {
      expect((await outcome(sh(`exit ${code}`))).status).toEqual(exited(code));
    })(context),
  );

  it(
    "by a signal is kept as that",
    real(async () => {
      await using({}, async (instance) => {
        await instance.start();
        const program = await identifyProcess((await instance.inspect()).pid ?? 0);
        if (program !== undefined) await signalProcess(program, "SIGKILL");
        expect(await instance.wait()).toMatchObject({
          reason: "program",
          status: { kind: "signaled", signal: "SIGKILL" },
        });
      });
    }),
  );

  it.for([0, 7])("by exit code %d is kept though no process of ours was there to see it", (code, context) =>
    real(async () => {
      const ends = { ...sh(`trap 'exit ${code}' TERM; while :; do sleep 1 & wait $!; done`), stopSignal: "SIGTERM" };
      const name = `alone-${code}`;
      const instance = await host.create({ driver: "oci", name, image, oci: ends });
      await instance.start();
      await instance.run(["sh", "-c", "until grep -q 'SigCgt:.*[4-7c-f]...$' /proc/1/status; do :; done"]);
      const program = await identifyProcess((await instance.inspect()).pid ?? 0);
      await host[Symbol.asyncDispose]();
      if (program === undefined) throw new Error("it does not run");
      await signalProcess(program, "SIGTERM");
      await waitForEnd(program);
      host = await open();
      const again = await host.get(name);
      expect((await again.inspect()).exit).toMatchObject({ reason: "program", status: exited(code) });
      await again.delete();
    })(context),
  );

  it(
    "comes by the image's stop signal, in its own time",
    real(async () => {
      await using({}, async (instance) => {
        await instance.start();
        // Longer than the second after which liblxc's own init would have killed everything.
        await instance.stop({ timeout: 20_000 });
        expect(await instance.wait()).toMatchObject({ reason: "requested", status: exited(3) });
        expect(await text(await instance.logs("stdout"))).toBe("up\nasked\ndone\n");
      });
    }),
  );
});

describe("its output", () => {
  it(
    "is kept apart, of the last start only, and can be read when it is stopped",
    real(async () => {
      await using(sh("echo out; echo err >&2"), async (instance) => {
        expect(await text(await instance.logs("stdout"))).toBe("");
        for (let round = 0; round < 2; round++) {
          await instance.start();
          await instance.wait();
          expect(await text(await instance.logs("stdout"))).toBe("out\n");
          expect(await text(await instance.logs("stderr"))).toBe("err\n");
        }
        await expect(instance.logs("console")).rejects.toMatchObject({ code: "ERR_INSTANCE_UNSUPPORTED" });
      });
    }),
  );

  it(
    "can be reopened by name by a program that is not root",
    real(async () => {
      const { stdout, stderr } = await outcome(
        sh("echo a >>/dev/stdout; echo b >>/dev/stderr; echo c >>/proc/self/fd/1"),
      );
      expect([stdout, stderr]).toEqual(["a\nc\n", "b\n"]);
    }),
  );
});

describe("its network", () => {
  it(
    "has its address, its names and its way out before it starts",
    real(async () => {
      await host.networks.create(NETWORK);
      const script =
        "ip -4 -o addr show eth0; ip route; cat /etc/resolv.conf; hostname -i; ping -c 1 -W 5 10.231.77.1 >/dev/null && echo reached; sleep 1000";
      await using(
        { ...sh(script), user: "root" },
        async (instance) => {
          await instance.start();
          const [address] = await instance.addresses();
          expect(address).toMatchObject({ interface: "eth0", family: "inet", prefix: 24 });
          expect(address?.address).toMatch(/^10\.231\.77\.\d+$/);
          await instance.run(["sh", "-c", "until tail -n 1 /proc/1/fd/1 | grep -q reached; do sleep 0.05; done"], {
            timeout: 10_000,
          });
          const printed = await text(await instance.logs("stdout"));
          expect(printed).toContain(`inet ${address?.address}/24`);
          expect(printed).toContain("default via 10.231.77.1 dev eth0");
          expect(printed).toContain("search pileus\nnameserver 10.231.77.1");
          expect(printed).toContain(`\n${address?.address}\n`);
        },
        { network: true },
      );
    }),
  );
});

describe("exec", () => {
  it(
    "starts from the image's environment, path and working directory, as root",
    real(async () => {
      await using({}, async (instance) => {
        await instance.start();
        const { stdout } = await instance.run(["sh", "-c", 'id -u; pwd; echo $FROM; echo $HOME; echo "$LINES"']);
        expect(stdout).toBe("0\n/srv/made here\nimage\n/root\na\nb\n");
        const { stdout: other } = await instance.run(["sh", "-c", "id -G; pwd; echo $HOME $FROM"], {
          user: "app",
          cwd: "/tmp",
          env: { FROM: "me" },
        });
        expect(other).toBe("1000 2000\n/tmp\n/home/app me\n");
      });
    }),
  );
});

describe("its limits", () => {
  it(
    "are what its metrics say",
    real(async () => {
      await using(
        {},
        async (instance) => {
          await instance.start();
          expect((await instance.metrics()).memory.limit).toBe(64 * 1024 * 1024);
        },
        { limits: { memory: "64MiB" } },
      );
    }),
  );
});
