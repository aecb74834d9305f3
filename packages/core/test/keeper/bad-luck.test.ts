import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, watch, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { keeperSocket } from "../../src/keeper/connection.ts";
import { endKept } from "../../src/keeper/detached/kept-program.ts";
import { readKeeperExit } from "../../src/keeper/exit-record.ts";
import { livingKeeper, readHeldRun } from "../../src/keeper/held-run.ts";
import { findKeeper } from "../../src/keeper/keeper.ts";
import { launchKeeper, resumeKeeper } from "../../src/keeper/launch.ts";
import { encodeFrame } from "../../src/keeper/messages.ts";
import { type HeldRun, words } from "../../src/keeper/order.ts";
import { signalChild } from "../../src/keeper/signals.ts";
import { openKeeperStream } from "../../src/keeper/stream.ts";
import { succeedKeeper } from "../../src/keeper/succeed.ts";
import {
  identifyChild,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";
import { entries, keep, places, shell } from "./support.ts";

const place = places();

describe("a keeper that is killed", () => {
  it("does not end the program, and another goes on with its streams and records its end", async () => {
    const folders = place();
    const order = { ...shell("read a; echo $a; read b; echo $b >&2; exit 5"), input: true };
    const first = await keep(folders, order);
    const writer = await openKeeperStream(folders.run);
    const broken = once(writer, "error");
    await writer.claim();
    const identity = identifyChild(first.state.keeper);
    expect(await livingKeeper(folders.run)).toEqual(identity);
    process.kill(identity.pid, "SIGKILL");
    expect(await first.exit).toBeUndefined();
    expect(await broken).toMatchObject([{ code: "ERR_CONNECTION" }]);
    await waitForEnd(identity);
    const held = await readHeldRun(folders.run);
    expect(await livingKeeper(folders.run)).toBeUndefined();
    expect(held).toEqual({ holder: first.state.holder, boots: 1, program: first.state.program });

    const second = await resumeKeeper(folders, order, held as NonNullable<typeof held>);
    expect((await livingKeeper(folders.run))?.pid).toBe(second.state.keeper);
    expect(second.state).toMatchObject({ state: "running", program: first.state.program, boots: 1 });
    const stream = await openKeeperStream(folders.run);
    await stream.claim();
    stream.write("one\ntwo\n");
    expect(await text(stream)).toBe("one\n");
    expect(await second.exit).toMatchObject({ status: { kind: "exited", code: 5 }, boots: 1, failed: false });
    const log = entries(folders.log).map(({ stream, content }) => `${stream} ${content}`);
    expect(log).toEqual(["keeper start", "keeper resume", "stdout one", "stderr two", "keeper end"]);
  });

  it("has no successor that waits when the parent of the program was killed, too", async () => {
    const folders = place();
    const order = shell("exec sleep 1000");
    const first = await keep(folders, order);
    const held = (await readHeldRun(folders.run)) as HeldRun;
    // In this order, so that the keeper cannot see the end of the holder.
    for (const pid of [first.state.keeper, held.holder, held.program]) {
      const process = identifyChild(pid);
      expect(await signalProcess(process, "SIGKILL")).toBe(true);
      await waitForEnd(process);
    }
    await expect(resumeKeeper(folders, order, held)).rejects.toMatchObject({ code: "ESRCH" });
    expect(entries(folders.log).map(({ content }) => content)).toEqual(["start"]);
  });

  it("has no successor that cannot record the end, but later one that can", async () => {
    const folders = place();
    const order = { ...shell("read go; exit 9"), input: true };
    const first = await keep(folders, order);
    const held = (await readHeldRun(folders.run)) as HeldRun;
    const process = identifyChild(first.state.keeper);
    await signalProcess(process, "SIGKILL");
    await waitForEnd(process);
    const record = join(folders.run, "exit.new");
    rmSync(record);
    mkdirSync(record);
    await expect(resumeKeeper(folders, order, held)).rejects.toMatchObject({ code: "EISDIR" });
    rmdirSync(record);
    const second = await resumeKeeper(folders, order, held);
    second.kill();
    expect(await second.exit).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
    expect(entries(folders.log).map(({ content }) => content)).toEqual(["start", "resume", "end"]);
  });

  it("has a successor for the parent of its program alone, and only while that lives", async () => {
    const folders = place();
    const order = shell("exec sleep 1000");
    const first = await keep(folders, order);
    const [gone, holder, program] = [first.state.keeper, first.state.holder, first.state.program].map(
      identifyChild,
    ) as [ProcessIdentity, ProcessIdentity, ProcessIdentity];
    await signalProcess(gone, "SIGKILL");
    await waitForEnd(gone);
    const succeed = (of: ProcessIdentity) => succeedKeeper(folders, () => order, { holder: of });
    expect(await succeed(identifyChild(process.pid))).toBeUndefined();
    expect(await succeed({ ...holder, startTime: holder.startTime + 2 })).toBeUndefined();
    const second = await succeed(holder);
    expect(second?.state).toMatchObject({ state: "running", holder: holder.pid });
    for (const each of [identifyChild(second?.state.keeper ?? 0), holder, program]) {
      await signalProcess(each, "SIGKILL");
      await waitForEnd(each);
    }
    expect(await succeed(holder)).toBeUndefined();
  });

  it("keeps the space that was reserved for the record of the end, so that a full disk leaves its successor that", async () => {
    const folders = place();
    const order = shell("exec sleep 1000");
    const first = await keep(folders, order);
    const gone = identifyChild(first.state.keeper);
    await signalProcess(gone, "SIGKILL");
    await waitForEnd(gone);
    // What is not emptied keeps its space.
    const record = join(folders.run, "exit.new");
    writeFileSync(record, "x");
    const second = await resumeKeeper(folders, order, (await readHeldRun(folders.run)) as HeldRun);
    expect(readFileSync(record, "utf8")).toBe("x");
    second.kill();
    expect(await second.exit).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
    expect(await readKeeperExit(folders.run)).toEqual(await second.exit);
  });

  it("leaves a program whose start is given up to nobody", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("exec sleep 1000"));
    const [program, holder] = [keeper.state.program, keeper.state.holder].map(identifyChild) as [
      ProcessIdentity,
      ProcessIdentity,
    ];
    await signalProcess(identifyChild(keeper.state.keeper), "SIGKILL");
    expect(await endKept(folders.run, { cgroups: [], starter: false, signal: signalChild })).toBe(true);
    expect(await isAlive(holder)).toBe(false);
    await waitForEnd(program);
  });

  it("does not lose what the program printed meanwhile, nor its exit status", async () => {
    const folders = place();
    const order = { ...shell("read go; echo meanwhile; exit 9"), input: true };
    const first = await keep(folders, order);
    const { keeper, holder } = first.state;
    const [gone, program, parent] = [identifyChild(keeper), identifyChild(first.state.program), identifyChild(holder)];
    // The program cannot end before the keeper: it waits for its input, which ends with neither.
    process.kill(keeper, "SIGKILL");
    await waitForEnd(gone);
    const held = await readHeldRun(folders.run);
    process.kill(program.pid, "SIGKILL");
    await waitForEnd(program);
    await waitForEnd(parent);
    expect((await readKeeperExit(folders.run))?.status).toEqual({ kind: "signaled", signal: "SIGKILL" });
    expect(held?.boots).toBe(1);
    // One that comes too late says so at once, and leaves what is recorded.
    const late = resumeKeeper(folders, order, held as NonNullable<typeof held>);
    await expect(late).rejects.toMatchObject({ code: "ESRCH" });
    expect((await readKeeperExit(folders.run))?.status).toEqual({ kind: "signaled", signal: "SIGKILL" });
    expect(entries(folders.log).map(({ content }) => content)).toEqual(["start"]);
  });

  it("makes a program that prints more than a pipe holds wait, and nothing of it is lost", async () => {
    const folders = place();
    const script = "until [ -e $0/go ]; do sleep 0.01; done; seq 1 10; : >$0/printed; seq 11 30000; exit 4";
    const order = shell(script, folders.run);
    const first = await keep(folders, order);
    const gone = identifyChild(first.state.keeper);
    process.kill(gone.pid, "SIGKILL");
    await waitForEnd(gone);
    const changes = watch(folders.run);
    writeFileSync(join(folders.run, "go"), "");
    while (!existsSync(join(folders.run, "printed"))) await once(changes, "change");
    changes.close();
    const held = await readHeldRun(folders.run);
    const second = await resumeKeeper(folders, order, held as NonNullable<typeof held>);
    expect((await second.exit)?.status).toEqual({ kind: "exited", code: 4 });
    const lines = entries(folders.log).filter((entry) => entry.stream === "stdout");
    expect(lines.map(({ content }) => content)).toEqual(Array.from({ length: 30000 }, (_, index) => String(index + 1)));
  });
});

describe("a start that is given up", () => {
  it("runs nothing when the process that wanted it ends before begin()", async () => {
    const folders = place();
    const launched = await launchKeeper(folders, shell("touch $0/ran", folders.run));
    const gone = identifyChild(launched.pid);
    launched[Symbol.dispose]();
    await waitForEnd(gone);
    expect(existsSync(join(folders.run, "ran"))).toBe(false);
    expect(existsSync(join(folders.log, "output.log"))).toBe(false);
  });

  it("leaves the program running when the process that started it is killed", async () => {
    const folders = place();
    const victim = spawn(
      process.execPath,
      [
        "--conditions=@pileus/source",
        "--import",
        "tsx",
        join(import.meta.dirname, "victim.ts"),
        folders.run,
        folders.log,
      ],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    expect(String((await once(victim.stdout, "data"))[0])).toBe("running\n");
    await killed(victim);
    const keeper = await findKeeper(folders.run);
    expect(keeper.state.state).toBe("running");
    keeper.kill();
    expect((await keeper.exit)?.status).toEqual({ kind: "signaled", signal: "SIGKILL" });
  });
});

describe("a hostile peer", () => {
  it("is disconnected for a frame that is too long, unknown, or comes before hello, and nobody else notices", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("exec sleep 1000"));
    const hello = encodeFrame(1, words([1]));
    for (const bytes of [
      encodeFrame(10),
      Buffer.concat([hello, words([6, 0xffffffff])]),
      Buffer.concat([hello, encodeFrame(99)]),
      Buffer.concat([hello, encodeFrame(2, Buffer.alloc(100))]),
      Buffer.concat([hello, encodeFrame(3)]),
      Buffer.concat([hello, encodeFrame(8, words([70000, 1]))]),
      Buffer.concat([hello, encodeFrame(4)]),
      encodeFrame(1, words([0])),
    ]) {
      const socket = await peer(folders.run);
      socket.write(bytes);
      await once(socket.resume(), "close");
    }
    await keeper.sync();
    expect(keeper.state.state).toBe("running");
    keeper.kill();
    await keeper.exit;
  });

  it("gets no more than 256 connections, which stop neither the program nor the log", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("cat"), input: true });
    const writer = await openKeeperStream(folders.run);
    await writer.claim();
    const peers: Socket[] = [];
    for (let count = 2; count < 256; count++) peers.push(await answered(folders.run));
    await expect(findKeeper(folders.run)).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_(HOST|CONNECTION)/),
    });
    await keeper.sync();
    peers.pop()?.destroy();
    await expect.poll(() => findKeeper(folders.run).then((found) => found.detach(), String)).toBeUndefined();
    writer.end("still here\n");
    expect(await text(writer)).toBe("still here\n");
    expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 0 });
    for (const socket of peers) socket.destroy();
  });

  it("that reads leaves room for those that adopt and stop: the reader too many is told so", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("exec sleep 1000"));
    const readers = await Promise.all(Array.from({ length: 192 }, () => openKeeperStream(folders.run)));
    const refused: unknown = await openKeeperStream(folders.run).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "ERR_HOST", missing: [{ reason: "all 192 are in use" }] });
    const others = await Promise.all(Array.from({ length: 60 }, () => findKeeper(folders.run)));
    for (const other of others) {
      await other.sync();
      other.detach();
    }
    readers.pop()?.destroy();
    await expect.poll(() => openKeeperStream(folders.run).then((one) => readers.push(one), String)).toBe(192);
    keeper.kill();
    await keeper.exit;
    for (const reader of readers) reader.on("error", () => undefined).destroy();
  });
});

it("a line that does not end is in the log soon, without a reader", async () => {
  const folders = place();
  const log = join(folders.log, "output.log");
  const changes = watch(folders.log);
  const keeper = await keep(folders, shell("printf prompt; exec sleep 1000"));
  while (!readFileSync(log, "utf8").includes(" stdout P prompt\n")) await once(changes, "change");
  changes.close();
  keeper.kill();
  await keeper.exit;
});

/** A peer that has got an answer. */
async function answered(run: string): Promise<Socket> {
  const socket = await peer(run);
  socket.write(encodeFrame(1, words([1])));
  await once(socket, "data");
  return socket;
}

async function peer(run: string): Promise<Socket> {
  const socket = connect(keeperSocket(run));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
