import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../src/index.ts";
import { AgentProcess } from "./support/agent-process.ts";
import { run, runOnTerminal } from "./support/run.ts";

let agent: AgentProcess;
let client: AgentClient;

beforeAll(async () => {
  agent = await AgentProcess.start();
  client = await agent.client();
});

afterAll(async () => {
  client?.close();
  await agent?.[Symbol.asyncDispose]();
});

const table = (file: string) =>
  readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.split(":"));

/** An account of this host that has supplementary groups. */
function accountWithGroups(): { name: string; uid: string; gid: string; groups: string[] } | undefined {
  const groups = table("/etc/group");
  for (const [name = "", , uid = "", gid = ""] of table("/etc/passwd")) {
    const members = groups.filter((fields) => fields[3]?.split(",").includes(name)).map((fields) => fields[2] ?? "");
    const others = members.filter((group) => group !== gid);
    if (uid !== "0" && others.length > 0) return { name, uid, gid, groups: [gid, ...others].sort() };
  }
  return undefined;
}

const NONE = "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n";
const ids = ["sh", "-c", "id -u; id -g; id -G"];

describe("programs as other users", () => {
  it(
    "have the requested ids, and none of the agent's groups",
    requires(["root"], async () => {
      expect((await run(client, ids, { user: "54321" })).stdout).toBe("54321\n0\n0\n");
      expect((await run(client, ids, { user: "54321:12345" })).stdout).toBe("54321\n12345\n12345\n");
      expect((await runOnTerminal(client, ids, { user: "54321:12345" })).output).toBe("54321\r\n12345\r\n12345\r\n");
    }),
  );

  it(
    "have their supplementary groups, on pipes and on a terminal, and return their exit code",
    requires(["root", "binary:busybox"], async ({ skip }) => {
      const account = accountWithGroups();
      if (account === undefined) return skip("no account of this host has a supplementary group");
      const { name, uid, gid, groups } = account;
      const check = (output: string) => {
        const [first, second, third = ""] = output.trim().split(/\r?\n/);
        expect([first, second]).toEqual([uid, gid]);
        expect(third.split(" ").sort()).toEqual(groups);
      };
      check((await run(client, ids, { user: name })).stdout);
      check((await runOnTerminal(client, ids, { user: name })).output);
      expect((await run(client, ["sh", "-c", "exit 7"], { user: name })).exit).toEqual({ kind: "exited", code: 7 });
      expect((await run(client, ["sh", "-c", "kill -TERM $$"], { user: name })).exit).toMatchObject({
        signal: "SIGTERM",
      });
      expect((await run(client, ["no-such"], { user: name })).exit).toEqual({ kind: "exited", code: 127 });
    }),
  );

  it(
    "can open their own streams by name, cannot become root again, and have their HOME",
    requires(["root"], async () => {
      const script =
        "echo out >/dev/stdout; echo err >/dev/stderr; echo $HOME $USER; grep -E '^(Uid|Cap(Prm|Eff))' /proc/self/status";
      const { stdout, stderr } = await run(client, ["sh", "-c", script], { user: "nobody" });
      const [nobody] = table("/etc/passwd").filter((fields) => fields[0] === "nobody");
      expect(stdout).toBe(`out\n${nobody?.[5]} nobody\nUid:\t65534\t65534\t65534\t65534\n${NONE}`);
      expect(stderr).toBe("err\n");
    }),
  );

  it(
    "are looked up with the rights of the user that runs them",
    requires(["root"], async () => {
      await using folder = await makeFolder();
      await mkdir(join(folder.path, "closed"), { mode: 0o700 });
      await writeFile(join(folder.path, "closed/tool"), "#!/bin/sh\necho root\n", { mode: 0o755 });
      await writeFile(join(folder.path, "own"), "#!/bin/sh\necho root\n", { mode: 0o700 });
      await mkdir(join(folder.path, "open"));
      await writeFile(join(folder.path, "open/tool"), "#!/bin/sh\nid -u\n", { mode: 0o755 });
      const env = { PATH: `${folder.path}/closed:${folder.path}/open:/usr/bin:/bin` };
      expect((await run(client, ["tool"], { env })).stdout).toBe("root\n");
      expect((await run(client, ["tool"], { env, user: "54321" })).stdout).toBe("54321\n");
      const refused = await run(client, [`${folder.path}/own`], { user: "54321" });
      expect(refused.exit).toEqual({ kind: "exited", code: 126 });
      const outside = await run(client, ["true"], { cwd: `${folder.path}/closed`, user: "54321" });
      expect(outside.stderr).toBe(`exec: cannot enter ${folder.path}/closed: permission denied\n`);
    }),
  );
});

async function makeFolder() {
  const path = await mkdtemp(join(tmpdir(), "pileus-users-"));
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
