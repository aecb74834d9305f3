import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { expect, it } from "vitest";
import { findProcesses } from "../../src/system/find-process.ts";
import { requires } from "../../src/testing/requires.ts";

const WRAPPERS = {
  "another user": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
  "another pid namespace": ["unshare", "--pid", "--fork", "--kill-child"],
};

for (const [what, wrapper] of Object.entries(WRAPPERS)) {
  it(
    `accepts no process of ${what}`,
    requires(["root"], async () => {
      const word = randomUUID();
      const [file = "", ...rest] = wrapper;
      const child = spawn(file, [...rest, "sh", "-c", "echo; read _", word], { stdio: ["pipe", "pipe", "ignore"] });
      try {
        await once(child.stdout, "data");
        expect(await findProcesses((argv) => argv[0] === "sh" && argv.includes(word))).toEqual([]);
      } finally {
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }
    }),
  );
}

it(
  "accepts a process of another user that is named as an owner",
  requires(["root"], async () => {
    const word = randomUUID();
    const [file = "", ...rest] = WRAPPERS["another user"];
    const child = spawn(file, [...rest, "sh", "-c", "echo; read _", word], { stdio: ["pipe", "pipe", "ignore"] });
    try {
      await once(child.stdout, "data");
      const matches = (argv: readonly string[]) => argv[0] === "sh" && argv.includes(word);
      expect(await findProcesses(matches, { owners: [65533] })).toEqual([]);
      expect(await findProcesses(matches, { owners: [65534] })).toMatchObject([{ pid: child.pid }]);
    } finally {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }),
);
