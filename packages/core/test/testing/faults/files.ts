import { createReadStream, readdirSync, statSync } from "node:fs";
import { Writable } from "node:stream";
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
    what: "ignores owners and modes",
    seenBy: ["files > gives a file and a folder the owner and mode that were asked for"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        write: (path, { signal }) => files.write(path, { signal }),
        mkdir: (path, { signal, recursive }) => files.mkdir(path, { signal, recursive }),
      })),
  },
  {
    what: "calls every failure ENOENT's neighbour",
    seenBy: ["files > names what is wrong as the system does"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        list: async (path, options) => await files.list(path, options).catch(() => []),
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
          return readdirSync(link.target).map((name) => ({ name, ...link }));
        },
      })),
  },
  {
    what: "follows a symlink in stat",
    seenBy: ["symlinks inside > are told apart by stat and list, and followed by read"],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        stat: async (path, options) => {
          const { target, ...rest } = await files.stat(path, options);
          return target === undefined ? rest : { ...rest, type: "file" };
        },
      })),
  },
];
