import { join } from "node:path";
import { type Instance, openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { qemu } from "@pileus/qemu";
import { cacheFolder } from "../scripts/setup/folders.mjs";
import { guestSsh } from "./guest-ssh.ts";
import { compare, type Row, time } from "./measure.ts";

/** What the init of the fixture prints when it runs. */
const MARKER = "init: up";

export async function benchQemu(folder: string): Promise<Row[]> {
  return [...(await benchStart(join(folder, "start"))), ...(await benchExec(join(folder, "exec")))];
}

/** A program by the agent, and by ssh: with a connection of its own, and over one that is open, as ours is. */
async function benchExec(folder: string): Promise<Row[]> {
  const ssh = await guestSsh(folder);
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs, { extra: ssh.extra });
  await using host = await openHost({ root: join(folder, "host"), drivers: [qemu({ cache: cacheFolder() })] });
  const image = await host.images.import(rootfs);
  const network = "benchssh0";
  await host.networks.create({ name: network });
  const socket = join(folder, "ssh.sock");
  const shared = ["-o", `ControlPath=${socket}`];
  try {
    const devices = { eth0: { type: "nic", network } } as const;
    await using instance = await host.ephemeral(
      { driver: "qemu", name: "bench-exec", image, devices },
      { ready: true },
    );
    const [{ address } = { address: "" }] = (await instance.addresses()).filter(({ family }) => family === "inet");
    // The first is the one that stays: it opens the connection, and forks once that stands.
    await spawn(ssh.argv(address, [...shared, "-o", "ControlMaster=yes", "-o", "ControlPersist=120"]));
    try {
      return await compare(
        "exec true",
        [
          { name: "pileus", once: () => time(() => instance.run(["true"])) },
          { name: "ssh, over an open connection", once: () => time(() => spawn(ssh.argv(address, shared))) },
          { name: "ssh", once: () => time(() => spawn(ssh.argv(address))) },
        ],
        20,
      );
    } finally {
      await spawn(["ssh", "-F", "none", ...shared, "-O", "exit", "guest"]);
    }
  } finally {
    await host.networks.delete(network);
  }
}

/** From the start until the agent answers, and until the init of the guest prints its first line. */
async function benchStart(folder: string): Promise<Row[]> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [qemu({ cache: cacheFolder() })] });
  const image = await host.images.import(rootfs);
  await using instance = await host.create({ driver: "qemu", name: "bench", image, limits: { memory: "256MiB" } });
  const untilStopped = async (work: () => Promise<void>) => {
    const elapsed = await time(work);
    await instance.stop({ mode: "kill" });
    return elapsed;
  };
  try {
    return await compare(
      "spawn to agent ready",
      [
        { name: "pileus", once: () => untilStopped(() => instance.start().then(() => instance.ready())) },
        { name: "of that, to init", once: () => untilStopped(() => startToInit(instance)) },
      ],
      5,
    );
  } finally {
    await instance.delete();
  }
}

/** Starts it, and waits until its init prints its first line on the console. */
async function startToInit(instance: Pick<Instance<"console">, "start" | "console">): Promise<void> {
  await instance.start();
  const console = await instance.console();
  let printed = "";
  for await (const bytes of console) {
    printed += bytes;
    if (printed.includes(MARKER)) return;
  }
  throw new Error(`the guest ended before its init said "${MARKER}": ${printed}`);
}
