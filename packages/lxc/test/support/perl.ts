import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import type { Instance } from "@pileus/core";
import { type Abi, syscallNumbers } from "../../src/seccomp/syscall-numbers.ts";

/** The host's perl with its libraries, by path inside without a leading slash: it makes any system call. */
export function perlFiles(): Readonly<Record<string, { readonly text: Uint8Array; readonly mode: number }>> {
  const libraries = [...execFileSync("ldd", ["/usr/bin/perl"], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g)];
  const paths = ["/usr/bin/perl", ...libraries.map(([, path = ""]) => path)];
  return Object.fromEntries(paths.map((path) => [path.slice(1), { text: readFileSync(path), mode: 0o755 }]));
}

/** Gives an instance the host's perl, which attempts need. */
export async function addPerl({ files }: Instance<"files">): Promise<void> {
  for (const [path, { text, mode }] of Object.entries(perlFiles())) {
    await files.mkdir(`/${dirname(path)}`, { recursive: true });
    await files.write(`/${path}`, text, { mode });
  }
}

/**
 * A system call by name with its arguments. A string is passed by its address. What follows a colon in the name only
 * tells it from other calls of that name.
 */
export type Attempt = readonly [name: string, ...args: readonly (number | string)[]];

const SCRIPT = `
  for (@ARGV) {
    my ($name, @args) = split /,/;
    my ($number, @rest) = map { /^-?\\d+$/ ? 0 + $_ : $_ } @args;
    my $failed = syscall($number, @rest) < 0;
    print $name, " ", ($failed ? 0 + $! : 0), "\n";
  }`;

/** argv that makes the calls one after another and prints the name of each with its error. */
export function attemptArgv(attempts: readonly Attempt[]): readonly string[] {
  const numbers = syscallNumbers(process.arch as Abi);
  // A call that this processor does not have cannot be tried.
  const known = attempts.flatMap(([name, ...args]) => {
    const number = numbers.get(name.split(":")[0] ?? "");
    return number === undefined ? [] : [[name, number, ...args].join(",")];
  });
  return ["perl", "-e", SCRIPT, ...known];
}

/** The names of the errors that {@link attemptArgv} printed; `allowed` for none. */
export function attemptResults(stdout: string): Readonly<Record<string, string>> {
  const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
  const lines = stdout.trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [name = "", number] = line.split(" ");
      return [name, names.get(Number(number)) ?? "allowed"] as const;
    }),
  );
}
