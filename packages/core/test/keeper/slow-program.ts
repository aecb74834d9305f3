import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** fcntl(2), F_SETLEASE: as long as this process holds a lease on a file, whoever executes that waits. */
const HOLD = `
  $| = 1;
  $SIG{IO} = sub { print "executing\\n" };
  open(my $file, "<", $ARGV[0]) or die $!;
  fcntl($file, 1024, 1) or die $!;
  print "held\\n";
  my $end = 0;
  until ($end) { vec(my $in = "", 0, 1) = 1; $end = select($in, undef, undef, undef) > 0 }
  fcntl($file, 1024, 2);`;

/** A script that is not executed before it is let go, whoever tries. */
export interface SlowProgram extends AsyncDisposable {
  readonly argv: readonly string[];
  /** Resolves when a process is executing it. */
  readonly executing: Promise<unknown>;
  /** Lets it be executed. Resolves when nothing holds it up any more. */
  letGo(): Promise<void>;
}

export async function slowProgram(folder: string, script: string): Promise<SlowProgram> {
  const path = join(folder, "program");
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const holder = spawn("perl", ["-e", HOLD, path], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(holder, "exit");
  const lines = createInterface(holder.stdout);
  const executing = new Promise<void>((resolve) => lines.on("line", (line) => line === "executing" && resolve()));
  await new Promise<void>((resolve) => lines.on("line", (line) => line === "held" && resolve()));
  const letGo = async () => {
    holder.stdin.end();
    await ended;
  };
  return { argv: [path], executing, letGo, [Symbol.asyncDispose]: letGo };
}
