import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { NotFoundError } from "../../src/errors/all.ts";
import { readKeeperExit } from "../../src/keeper/exit-record.ts";
import { findKeeper } from "../../src/keeper/keeper.ts";
import { openKeeperLog } from "../../src/keeper/log/open.ts";
import { openKeeperStream } from "../../src/keeper/stream.ts";
import { entries, keep, places, shell } from "./support.ts";

const place = places();

describe("a run with a keeper", () => {
  it("logs both streams line by line, with times that never decrease", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("echo one; echo two >&2; printf 'no newline'"));
    expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 0 });
    const log = entries(folders.log);
    expect(log.filter(({ stream }) => stream === "stdout").map(({ tag, content }) => [tag, content])).toEqual([
      ["F", "one"],
      ["P", "no newline"],
    ]);
    expect(log.filter(({ stream }) => stream === "stderr").map(({ content }) => content)).toEqual(["two"]);
    const times = log.map(({ time }) => time);
    expect(times).toEqual([...times].sort());
    expect(Date.parse(times[0] as string)).toBeGreaterThan(Date.now() - 60_000);
    expect(log.map(({ stream }) => stream)[0]).toBe("keeper");
    expect(log.at(-1)).toMatchObject({ stream: "keeper", content: "end" });
  });

  it("records the exit code, the times and the processor time, for any later process", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 7"));
    const exit = await keeper.exit;
    expect(exit).toMatchObject({ status: { kind: "exited", code: 7 }, failed: false, boots: 1, lostEntries: 0 });
    expect(exit?.cpuSeconds).toBeGreaterThan(0);
    expect(exit?.endedAt).toBeGreaterThanOrEqual(exit?.startedAt as number);
    expect(await readKeeperExit(folders.run)).toEqual(exit);
  });

  it("tells a signal from an exit code, and kills when it is asked to", async () => {
    const keeper = await keep(place(), shell("exec sleep 1000"));
    keeper.kill();
    expect((await keeper.exit)?.status).toEqual({ kind: "signaled", signal: "SIGKILL" });
    const coded = await keep(place(), shell("exit 137"));
    expect((await coded.exit)?.status).toEqual({ kind: "exited", code: 137 });
  });

  it("rejects the start of a program that does not exist, and leaves nothing that runs", async () => {
    const folders = place();
    await expect(keep(folders, { argv: ["/no/such/program"], env: {} })).rejects.toThrow(NotFoundError);
    await expect(findKeeper(folders.run)).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    expect(await readKeeperExit(folders.run)).toMatchObject({ failed: true });
  });

  it("shows a prompt to readers before its line has ended, and takes the answer from its writer", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("printf 'name? '; read name; echo hello $name"), input: true });
    const stream = await openKeeperStream(folders.run);
    expect(String((await once(stream, "data"))[0])).toBe("name? ");
    expect(await stream.claim()).toMatchObject({ granted: true, pid: process.pid });
    stream.write("you\n");
    expect(await text(stream)).toBe("hello you\n");
    expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 0 });
    const printed = entries(folders.log).filter((entry) => entry.stream === "stdout");
    expect(printed.map(({ content }) => content).join("")).toBe("name? hello you");
  });

  it("has all that was printed in the log once sync() has resolved", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("seq 1 5000; touch $0/done; exec sleep 1000", folders.run));
    const stream = await openKeeperStream(folders.run);
    for await (const bytes of stream) if (String(bytes).includes("5000\n")) break;
    await keeper.sync();
    expect(entries(folders.log).filter(({ stream }) => stream === "stdout").length).toBe(5000);
    keeper.kill();
    await keeper.exit;
  });

  it("gives every reader the history and what follows, and moves a slow one to what is still there", async () => {
    const folders = place();
    const keeper = await keep(folders, {
      ...shell("read go; head -c 300000 /dev/zero | tr '\\0' x; read go"),
      input: true,
    });
    const [slow, writer] = [await openKeeperStream(folders.run), await openKeeperStream(folders.run)];
    await writer.claim();
    slow.pause();
    writer.write("go\n");
    let seen = 0;
    for await (const bytes of writer) {
      seen += (bytes as Buffer).length;
      // On a busy machine this reader is a slow one, too.
      if (seen + writer.lost === 300000) break;
    }
    const late = await openKeeperStream(folders.run);
    keeper.kill();
    const history = await text(late);
    expect(history.length).toBe(65536);
    const whole = await text(slow);
    expect(whole.length + slow.lost).toBe(300000);
  });

  it("tells a second writer who holds the input, and lets it take over", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("cat"), input: true });
    const [first, second] = [await openKeeperStream(folders.run), await openKeeperStream(folders.run)];
    const claimed = await first.claim();
    expect(await second.claim()).toEqual({ kind: "writer", granted: false, pid: process.pid, since: claimed.since });
    const taken = once(first, "taken");
    expect(await second.claim({ take: true })).toMatchObject({ granted: true });
    expect(await taken).toEqual([{ pid: process.pid }]);
    second.end("from the second\n");
    expect(await text(second)).toBe("from the second\n");
    expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 0 });
    first.destroy();
  });

  it("gives a terminal of the asked size, resizes it, and logs it as the console", async () => {
    const folders = place();
    const program = shell("trap 'stty size; exit 3' WINCH; stty size; while :; do sleep 0.05; done");
    const keeper = await keep(folders, { ...program, terminal: { columns: 91, rows: 23 } });
    const stream = await openKeeperStream(folders.run);
    let seen = "";
    for await (const bytes of stream) {
      seen += bytes;
      if (seen === "23 91\r\n") stream.resize({ columns: 101, rows: 31 });
    }
    expect(seen).toBe("23 91\r\n31 101\r\n");
    expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 3 });
    expect(entries(folders.log)[1]).toMatchObject({ stream: "console", content: "23 91\r" });
  });

  it("has nothing to read of the standard error of a terminal, until the run ends", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("echo shown >&2; read a"), terminal: { columns: 80, rows: 24 } });
    const [error, output] = [
      await openKeeperStream(folders.run, { stream: "error" }),
      await openKeeperStream(folders.run),
    ];
    let shown = "";
    for await (const bytes of output) {
      shown += bytes;
      if (shown === "shown\r\n") break;
    }
    expect(shown).toBe("shown\r\n");
    keeper.kill();
    expect(await text(error)).toBe("");
  });

  it("hands descriptors over to the program alone, as its 3, 4 and so on, and its pipes as a console", async () => {
    const folders = place();
    const names = Array.from({ length: 40 }, (_, index) => join(folders.run, `given-${index}`));
    const descriptors = names.map((name) => openSync(name, "w"));
    const program = shell(
      "for n in 3 9 42; do readlink /proc/self/fd/$n; done; ls /proc/self/fd | wc -l; read line; echo $line",
    );
    try {
      const keeper = await keep(folders, { ...program, input: true, console: true }, { descriptors });
      const held = await Promise.all(
        [keeper.state.keeper, keeper.state.holder].map(async (pid) =>
          (await readdir(`/proc/${pid}/fd`)).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)),
        ),
      );
      expect(held.flat().filter((path) => path.includes("given-"))).toEqual([]);
      const [first, stream] = [await openKeeperStream(folders.run), await openKeeperStream(folders.run)];
      // Nobody closes the input of a console.
      await first.claim();
      first.end();
      await finished(first, { readable: false });
      await stream.claim({ take: true });
      stream.write("typed\n");
      expect(await text(stream)).toBe(`${[names[0], names[6], names[39]].join("\n")}\n44\ntyped\n`);
      expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 0 });
      expect(entries(folders.log)[1]).toMatchObject({ stream: "console", content: names[0] });
    } finally {
      for (const fd of descriptors) closeSync(fd);
    }
  });

  it("divides a line that is longer than a part, and loses no byte", async () => {
    const folders = place();
    const keeper = await keep(folders, shell("head -c 20000 /dev/zero | tr '\\0' y; echo"));
    await keeper.exit;
    const parts = entries(folders.log).filter(({ stream }) => stream === "stdout");
    expect(parts.map(({ tag }) => tag).join("")).toMatch(/^P+F$/);
    expect(Math.max(...parts.map(({ content }) => content.length))).toBeLessThanOrEqual(8192);
    expect(parts.map(({ content }) => content).join("")).toBe("y".repeat(20000));
  });

  it("begins a new file at the size, keeps the number of files, and divides no entry", async () => {
    const folders = place();
    const log = { size: 65536, files: 3 };
    const keeper = await keep(folders, { ...shell("seq 100000 120000"), log });
    await keeper.exit;
    const files = ["output.log.2", "output.log.1", "output.log"].map((name) =>
      readFileSync(join(folders.log, name), "latin1"),
    );
    for (const content of files) {
      expect(content.length).toBeLessThanOrEqual(65536);
      expect(content.endsWith("\n")).toBe(true);
    }
    const numbers = files.join("").match(/stdout F \d+/g) ?? [];
    expect(numbers.at(-1)).toBe("stdout F 120000");
    expect(numbers).toEqual(numbers.map((_, index) => `stdout F ${120001 - numbers.length + index}`));
    expect(() => readFileSync(join(folders.log, "output.log.3"))).toThrow("ENOENT");
  });

  it("goes on where its log cannot be written, and tells how much of it is missing, in the order of time", async () => {
    const folders = place();
    // Of every user, root too.
    mkdirSync(join(folders.log, "output.log"));
    const keeper = await keep(folders, {
      ...shell("echo lost; echo more; read go; echo kept; echo last"),
      input: true,
    });
    const stream = await openKeeperStream(folders.run);
    for await (const bytes of stream) if (String(bytes).includes("more\n")) break;
    await keeper.sync();
    rmdirSync(join(folders.log, "output.log"));
    const writer = await openKeeperStream(folders.run);
    await writer.claim();
    writer.write("go\n");
    const exit = await keeper.exit;
    const log = entries(folders.log);
    expect(log.map(({ stream, content }) => `${stream} ${content}`)).toEqual([
      // EISDIR
      "keeper lost 3 13 21",
      "stdout kept",
      "stdout last",
      "keeper end",
    ]);
    const times = log.map(({ time }) => time);
    expect(times).toEqual([...times].sort());
    expect(exit?.lostEntries).toBe(3);
    const told = await text(await openKeeperLog(folders.log, {}));
    expect(told).not.toContain("was removed");
    expect(told).toMatch(/^\[pileus: 3 lines with 13 bytes could not be written here: EISDIR\]\nkept\nlast\n$/m);
    writer.destroy();
  });

  it("ends the rest of an entry that a crash of the host has left, and appends", async () => {
    const folders = place();
    writeFileSync(join(folders.log, "output.log"), "2026-01-01T00:00:00.000000000Z stdout F whole\n2026-01-01T00:0");
    await (await keep(folders, shell("echo new"))).exit;
    const lines = readFileSync(join(folders.log, "output.log"), "utf8").split("\n");
    expect(lines.slice(0, 2)).toEqual(["2026-01-01T00:00:00.000000000Z stdout F whole", "2026-01-01T00:0"]);
    expect(lines[2]).toMatch(/Z keeper F start$/);
    expect(lines[3]).toMatch(/Z stdout F new$/);
  });
});
