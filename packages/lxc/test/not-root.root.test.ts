import { chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";

const NOBODY = 65_534;

it(
  "refuses with HostError to make a container for a user other than root, and leaves nothing",
  requires(["root"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-lxc-nobody-"));
    try {
      await chown(folder, NOBODY, NOBODY);
      const script = fileURLToPath(new URL("support/create-as.ts", import.meta.url));
      const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", script];
      const { stdout } = await spawn([...node, String(NOBODY), folder], { cwd: import.meta.dirname });
      expect(stdout).toBe("ERR_HOST root 0\n");
      expect(await readdir(join(folder, "state", "instances"))).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  }),
);
