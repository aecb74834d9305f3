import { createReadStream, readdirSync, statSync } from "node:fs";
import { dirname } from "node:path/posix";
import { addAbortSignal, PassThrough, Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { FileError } from "@pileus/core";
import { withFiles } from "../broken.ts";
import type { Fault } from "./fault.ts";

/** Of files, and of symlinks inside. */
export const FILE_FAULTS: readonly Fault[] = [
  {
    what: "writes in place, as the bytes come",
    seenBy: ["files > leaves the old content and no temporary file when the source fails"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: async (path, options) => {
          const stream = new Writable({
            write: (chunk: Buffer, _encoding, done) =>
              void files.write(path, options).then((part) => {
                part.stream.end(chunk);
                void part.done.then(() => done(), done);
              }),
          });
          const done = new Promise<void>((resolve) => stream.once("close", resolve));
          stream.on("error", () => undefined);
          return { stream, done };
        },
      })),
  },
  {
    what: "is content with a file in a folder's place",
    seenBy: ["files > makes a folder once, and with recursive its parents too, again and again"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        mkdir: (path, options) =>
          files.mkdir(path, options).catch((error: unknown) => {
            if (!options.recursive) throw error;
          }),
      })),
  },
  {
    what: "names a tree where a file of it failed",
    seenBy: ["push and pull > name the file that failed"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        writeTree: async (path, options) => {
          const { stream, done } = await files.writeTree(path, options);
          const vaguely = done.catch((error: unknown) => {
            throw error instanceof FileError ? new FileError({ verb: "write", path, errno: error.errno }) : error;
          });
          vaguely.catch(() => undefined);
          return { stream, done: vaguely };
        },
      })),
  },
  {
    what: "hands on the group of a folder with the setgid bit",
    seenBy: ["files > gives what it creates the requested group, also in a folder with the setgid bit"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: async (path, options) => {
          const { mode, gid } = await files.stat(dirname(path), {});
          return files.write(path, (mode & 0o2000) === 0 ? options : { ...options, gid });
        },
      })),
  },
  {
    what: "ignores owners and modes",
    seenBy: ["files > gives a file and a folder the requested owner and mode"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: (path, { signal }) => files.write(path, { signal }),
        mkdir: (path, { signal, recursive }) => files.mkdir(path, { signal, recursive }),
      })),
  },
  {
    what: "gives a file that is written anew to root",
    seenBy: ["files > keeps the owner and the mode of a file that it replaces, unless others are given"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: (path, { uid = 0, gid = 0, mode = 0o644, signal }) => files.write(path, { uid, gid, mode, signal }),
      })),
  },
  {
    what: "gives the mode of a folder to its parents",
    seenBy: ["files > gives the mode to the requested folder, and 0755 to the parents that it creates"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        mkdir: async (path, options) => {
          const names = options.recursive ? path.split("/").slice(1, -1) : [];
          for (const [index] of names.entries()) await files.mkdir(`/${names.slice(0, index + 1).join("/")}`, options);
          await files.mkdir(path, options);
        },
      })),
  },
  {
    what: "overlooks a slash at the end of a path",
    seenBy: ["places of files > treats a path with a slash at the end as a folder"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: (path, options) => files.write(path.replace(/\/$/, ""), options),
      })),
  },
  {
    what: "gives all names that are not UTF-8 the same name",
    seenBy: ["places of files > keeps names that are not UTF-8: each invalid byte is a surrogate, U+DC80 to U+DCFF"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) =>
          (await files.list(path, options)).map((entry) => ({ ...entry, name: Buffer.from(entry.name).toString() })),
      })),
  },
  {
    what: "takes a mount point away",
    seenBy: ["places of files > removes neither a mount point nor what is mounted there"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        remove: async (path, options) => (path === "/proc" ? undefined : files.remove(path, options)),
      })),
  },
  {
    what: "follows a link of /proc to the host",
    seenBy: ["places of files > leads nowhere outside through the links of /proc"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        read: async (path, options) =>
          path.startsWith("/proc/1/root/")
            ? createReadStream(path.slice("/proc/1/root".length))
            : files.read(path, options),
      })),
  },
  {
    what: "wraps the reason for which a stream is aborted",
    seenBy: ["files > ends a stream with the reason of an abort itself"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        read: async (path, { signal }) => {
          const stream = await files.read(path, {});
          return signal === undefined ? stream : addAbortSignal(signal, stream);
        },
      })),
  },
  {
    what: "calls every failure ENOENT's neighbour",
    seenBy: ["files > reports failures by the system's error names"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) => await files.list(path, options).catch(() => Readable.from([])),
      })),
  },
  {
    what: "makes way for a file where a folder is",
    seenBy: ["push and pull > leave a folder as it is when a file would replace it, and report EISDIR"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        writeTree: async (path, options) => {
          const stream = new PassThrough();
          const unpack = async (tar: Buffer) => {
            const inner = await files.writeTree(path, options);
            inner.stream.on("error", () => undefined).end(tar);
            await inner.done;
          };
          const done = buffer(stream).then((tar) =>
            unpack(tar).catch(async (error: unknown) => {
              if (!(error instanceof FileError)) throw error;
              await files.remove(error.path, { ...options, recursive: true });
              await unpack(tar);
            }),
          );
          return { stream, done };
        },
      })),
  },
  {
    what: "lets paths of the host be read through symlinks",
    seenBy: ["symlinks inside > cannot lead outside, whether absolute or relative"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        read: async (path, options) => {
          const link = await files.stat(path, options).catch(() => undefined);
          return link?.target?.startsWith("/tmp/") ? createReadStream(link.target) : files.read(path, options);
        },
      })),
  },
  {
    what: "lists a folder of the host through a symlink",
    seenBy: ["symlinks inside > cannot lead outside, whether absolute or relative"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) => {
          const link = await files.stat(path, options).catch(() => undefined);
          if (!link?.target?.startsWith("/tmp/") || !statSync(link.target).isDirectory())
            return files.list(path, options);
          return Readable.from(readdirSync(link.target).map((name) => ({ name, ...link })));
        },
      })),
  },
  {
    what: "returns times in milliseconds",
    seenBy: ["push and pull > keep hard links, holes, and times to the nanosecond"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        stat: async (path, options) => {
          const stat = await files.stat(path, options);
          return { ...stat, mtimeNs: (stat.mtimeNs / 1_000_000n) * 1_000_000n };
        },
      })),
  },
  {
    what: "lists what a stream can hold, and no more",
    seenBy: ["files > lists a folder entry by entry, until the loop is left"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) => Readable.from((await (await files.list(path, options)).toArray()).slice(0, 16)),
      })),
  },
  {
    what: "follows a symlink in stat",
    seenBy: ["symlinks inside > are reported as links by stat and list, and followed by read"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        stat: async (path, options) => {
          const { target, ...rest } = await files.stat(path, options);
          return target === undefined ? rest : { ...rest, type: "file" };
        },
      })),
  },
];
