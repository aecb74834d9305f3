import { mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError } from "../../../src/errors/all.ts";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

async function running() {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
  await instance.start();
  return instance;
}

/** What a driver's `write()` gives: takes note of what came, and of how it ended. */
function receiver(failure?: Error) {
  const seen = { content: "", outcome: "open" };
  let settle: (error?: Error) => void = () => {};
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  const stream = new Writable({
    write(chunk, _, next) {
      seen.content += chunk;
      next(failure);
    },
    final(next) {
      seen.outcome = "in place";
      settle();
      next();
    },
    destroy(error, next) {
      if (seen.outcome === "open") {
        seen.outcome = "gone";
        settle(failure ?? error ?? new Error("destroyed"));
      }
      next(error);
    },
  });
  return { seen, stream, done };
}

/** What this process has open, by path. */
async function openFiles(): Promise<readonly string[]> {
  const paths = (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ""));
  return Promise.all(paths);
}

describe("write", () => {
  it.each([
    ["a string", () => "hello"],
    ["bytes", () => Buffer.from("hello")],
    ["a stream", () => Readable.from([Buffer.from("hel"), Buffer.from("lo")])],
  ])("takes %s and resolves when it is in place", async (_, data) => {
    const instance = await running();
    const to = receiver();
    place.scripted.script.files = { write: async () => to };
    await instance.files.write("/f", data());
    expect(to.seen).toEqual({ content: "hello", outcome: "in place" });
  });

  it("whose source fails leaves nothing and rejects with the source's own error", async () => {
    const instance = await running();
    const to = receiver();
    place.scripted.script.files = { write: async () => to };
    const fault = new Error("source broke");
    const source = (async function* () {
      yield Buffer.from("a");
      throw fault;
    })();
    await expect(instance.files.write("/f", source)).rejects.toBe(fault);
    expect(to.seen.outcome).toBe("gone");
  });

  it("whose source yields neither bytes nor strings leaves nothing and rejects with ConfigError", async () => {
    const instance = await running();
    const to = receiver();
    place.scripted.script.files = { write: async () => to };
    const written = instance.files.write("/f", Readable.from([{ a: 1 }]));
    await expect(written).rejects.toMatchObject({ code: "ERR_CONFIG" });
    expect(to.seen.outcome).toBe("gone");
  });

  it("that the instance refuses rejects with its reason, not with the broken pipe", async () => {
    const instance = await running();
    const refused = new FileError({ verb: "write", path: "/f", errno: "ENOSPC" });
    place.scripted.script.files = { write: async () => receiver(refused) };
    await expect(instance.files.write("/f", "hello")).rejects.toBe(refused);
  });

  it("aborted while its source stalls does not wait for the source", async () => {
    const instance = await running();
    const to = receiver();
    place.scripted.script.files = { write: async () => to };
    const controller = new AbortController();
    const source = (async function* () {
      yield Buffer.from("a");
      controller.abort("enough");
      await new Promise(() => {});
    })();
    await expect(instance.files.write("/f", source, { signal: controller.signal })).rejects.toBe("enough");
    expect(to.seen.outcome).toBe("gone");
  });

  it("that is refused while its source stalls does not wait for the source", async () => {
    const instance = await running();
    const refused = new FileError({ verb: "write", path: "/f", errno: "EIO" });
    place.scripted.script.files = { write: async () => receiver(refused) };
    const source = (async function* () {
      yield Buffer.from("a");
      await new Promise(() => {});
    })();
    await expect(instance.files.write("/f", source)).rejects.toBe(refused);
  });

  it("aborted leaves nothing and rejects with the reason itself", async () => {
    const instance = await running();
    const to = receiver();
    place.scripted.script.files = { write: async () => to };
    const controller = new AbortController();
    const source = (async function* () {
      yield Buffer.from("a");
      controller.abort("enough");
      yield Buffer.from("b");
    })();
    await expect(instance.files.write("/f", source, { signal: controller.signal })).rejects.toBe("enough");
    expect(to.seen.outcome).toBe("gone");
  });
});

describe("readAll", () => {
  it("reads to the end, and refuses more than its limit", async () => {
    const instance = await running();
    const streams: PassThrough[] = [];
    place.scripted.script.files = {
      read: async () => {
        const stream = new PassThrough();
        streams.push(stream);
        stream.end("hello");
        return stream;
      },
    };
    expect((await instance.files.readAll("/f")).toString()).toBe("hello");
    await expect(instance.files.readAll("/f", { maxSize: 4 })).rejects.toMatchObject({ errno: "EFBIG" });
    expect(streams.every((stream) => stream.destroyed)).toBe(true);
  });
});

describe("readAll of a stream that stalls", () => {
  it("is ended by an abort, with the reason itself", async () => {
    const instance = await running();
    const controller = new AbortController();
    // Aborts once it is read.
    const stream = new Readable({ read: () => controller.abort("enough") });
    stream.push("a");
    place.scripted.script.files = { read: async () => stream };
    const reading = instance.files.readAll("/f", { signal: controller.signal });
    await expect(reading).rejects.toBe("enough");
    expect(stream.destroyed).toBe(true);
  });
});

describe("paths and owners", () => {
  it.each(["relative", "", "/a\0b", `/${"x".repeat(4096)}`])(
    "%j is refused before the driver sees it",
    async (path) => {
      const instance = await running();
      await expect(instance.files.stat(path)).rejects.toMatchObject({ code: "ERR_CONFIG" });
    },
  );

  it("an impossible owner or mode is refused", async () => {
    const instance = await running();
    for (const options of [{ uid: -1 }, { gid: 2 ** 32 - 1 }, { mode: 0o10000 }])
      await expect(instance.files.mkdir("/d", options)).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });

  it("a misspelt option is refused: a mode that is dropped would let others read", async () => {
    const { files } = await running();
    const options = { mod: 0o600 } as object;
    for (const call of [
      () => files.write("/f", "secret", options),
      () => files.mkdir("/d", options),
      () => files.remove("/d", options),
      () => files.read("/f", options),
      () => files.readAll("/f", options),
      () => files.readText("/f", options),
      () => files.writeText("/f", "secret", options),
      () => files.stat("/f", options),
      () => files.exists("/f", options),
      () => files.list("/d", options)[Symbol.asyncIterator]().next(),
      () => files.listAll("/d", options),
      () => files.push("/etc/hostname", "/f", options),
      () => files.pull("/f", "/nowhere/f", options),
    ])
      await expect(call()).rejects.toThrow(/mod: unknown key/);
  });

  it.each([5, null, undefined, {}, ["a"]])("%j cannot be the content of a file", async (data) => {
    const { files } = await running();
    await expect(files.write("/f", data as never)).rejects.toThrow(/file content: must be a string/);
  });

  it.each(["", "/tmp/a\0b", undefined])(
    "%j is not a path on the host, and nothing is pushed or pulled",
    async (path) => {
      const { files } = await running();
      const refusal = { code: "ERR_CONFIG", message: expect.stringMatching(/path on the host|NUL/) };
      await expect(files.push(path as string, "/f")).rejects.toMatchObject(refusal);
      await expect(files.pull("/f", path as string)).rejects.toMatchObject(refusal);
    },
  );
});

describe("push", () => {
  it("of a missing source does not reach the instance", async () => {
    const instance = await running();
    place.scripted.script.files = { writeTree: () => Promise.reject(new Error("reached")) };
    await expect(instance.files.push("/nowhere/at/all", "/x")).rejects.toMatchObject({ errno: "ENOENT" });
  });

  it("that the instance refuses leaves no file of the host open", async () => {
    const instance = await running();
    const folder = await mkdtemp(join(tmpdir(), "pileus-push-"));
    const source = join(folder, "big");
    await writeFile(source, Buffer.alloc(2 ** 20));
    const refused = new FileError({ verb: "write", path: "/t", errno: "EROFS" });
    for (const writeTree of [() => Promise.reject(refused), async () => receiver(refused)]) {
      place.scripted.script.files = { writeTree };
      await expect(instance.files.push(source, "/t")).rejects.toBe(refused);
    }
    expect(await openFiles()).not.toContain(source);
    await rm(folder, { recursive: true });
  });

  it("reports its progress in bytes of content", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-push-"));
    await writeFile(join(folder, "f"), "hello");
    const instance = await running();
    place.scripted.script.files = { writeTree: async () => receiver() };
    const progress: unknown[] = [];
    await instance.files.push(folder, "/x", { onProgress: (step) => progress.push(step) });
    expect(progress).toEqual([{ phase: "push", done: 5 }]);
    await rm(folder, { recursive: true });
  });
});

describe("files of a stopped instance", () => {
  it("are refused because of its state", async () => {
    const instance = await running();
    await instance.stop();
    await expect(instance.files.listAll("/")).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "stopped" });
  });
});
