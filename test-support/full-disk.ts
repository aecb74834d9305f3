import { execFileSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const run = (file: string, ...args: string[]) => execFileSync(file, args, { stdio: "ignore" });

/** A file system of its own that a test fills. */
export interface SmallDisk {
  readonly name: string;
  /** What is used up: a key of `statfs()`, which is 0 when the disk is full. */
  readonly left: "bavail" | "ffree";
  /** Mounts it at an empty folder. */
  mount(folder: string): void;
  /** Uses up what is left. Call it again after something was given back. */
  fill(folder: string): void;
  /** Removes what `fill()` made. */
  drain(folder: string): void;
  unmount(folder: string): void;
}

/** A full tmpfs and a full ext4, without a block or without an inode. */
export function smallDisks({ megabytes, inodes }: { readonly megabytes: number; readonly inodes: number }) {
  const blocks = { left: "bavail", fill: fillBlocks, drain } as const;
  const names = { left: "ffree", fill: fillInodes, drain } as const;
  const memory = (options: string) => ({
    mount: (folder: string) => run("mount", "-t", "tmpfs", "-o", options, "pileus-test", folder),
    unmount: (folder: string) => run("umount", folder),
  });
  const loop = {
    mount: (folder: string) => mountExt4(folder, megabytes, inodes),
    unmount: (folder: string) => {
      run("umount", folder);
      rmSync(`${folder}.img`);
    },
  };
  const disks: readonly SmallDisk[] = [
    { name: "tmpfs without a block", ...blocks, ...memory(`size=${megabytes}m`) },
    { name: "tmpfs without an inode", ...names, ...memory(`size=${8 * megabytes}m,nr_inodes=${inodes}`) },
    { name: "ext4 without a block", ...blocks, ...loop },
    { name: "ext4 without an inode", ...names, ...loop },
  ];
  return disks;
}

function mountExt4(folder: string, megabytes: number, inodes: number): void {
  const image = `${folder}.img`;
  writeFileSync(image, "");
  truncateSync(image, Math.max(8, megabytes) * 2 ** 20);
  run("mkfs.ext4", "-q", "-m", "0", "-N", String(inodes), image);
  run("mount", "-o", "loop", image, folder);
}

/** Writes until nothing more can be written, and gives `free` bytes back. */
export function fillBlocks(folder: string, free = 0): void {
  const fd = openSync(join(folder, "filling"), "a");
  try {
    for (let size = 2 ** 20; size >= 1; size = Math.floor(size / 2))
      untilFull(() => {
        if (writeSync(fd, Buffer.alloc(size, "x")) < size) throw Object.assign(new Error("full"), { code: "ENOSPC" });
      });
    if (free > 0) ftruncateSync(fd, fstatSync(fd).size - free);
  } finally {
    closeSync(fd);
  }
}

let count = 0;

/** Makes files until no more can be made. */
function fillInodes(folder: string): void {
  untilFull(() => {
    writeFileSync(join(folder, `filling-${count}`), "", { flag: "wx" });
    count += 1;
  });
}

function drain(folder: string): void {
  for (const name of ["filling", ...Array.from({ length: count }, (_, n) => `filling-${n}`)])
    rmSync(join(folder, name), { force: true });
}

function untilFull(write: () => void): void {
  try {
    for (;;) write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
