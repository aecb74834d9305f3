import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { requires } from "../../src/testing/requires.ts";

const run = promisify(execFile);

const SCRIPT = `
  const { openHost } = await import("@pileus/core");
  const { fake } = await import("@pileus/core/testing");
  const host = await openHost({ root: process.argv[1] + "/root", drivers: [fake()] });
  const report = await host.doctor();
  const source = { type: "debian", suite: "bookworm", mirror: "http://127.0.0.1:9/debian" };
  const error = await host.images.import(source).catch((error) => error);
  const layer = await host.images.import(process.argv[1]).catch((error) => error);
  const told = ({ code, message, missing }) => ({ code, message, missing });
  console.log(JSON.stringify({ host: report.host, error: told(error), layer: told(layer) }));
  await host[Symbol.asyncDispose]();`;

it(
  "names the tools and packages that images need, in doctor() and by the import that lacks them",
  requires(["root", "overlay"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-tools-"));
    try {
      // Only for the child, in its own mount namespace.
      const hide = `mount -t tmpfs none "$1" && mkdir "$1/up" "$1/work" &&
        mount -t overlay -o lowerdir=/usr/bin,upperdir="$1/up",workdir="$1/work" none /usr/bin &&
        rm -f /usr/bin/tar /usr/bin/mmdebstrap && shift && exec "$@"`;
      const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", "--input-type=module"];
      const { stdout } = await run(
        "unshare",
        ["--mount", "sh", "-c", hide, "sh", folder, ...node, "--eval", SCRIPT, folder],
        { cwd: import.meta.dirname },
      );
      const { host, error, layer } = JSON.parse(stdout);
      const tar = { need: "binary:tar", reason: "not on PATH", fix: "apt-get install tar" };
      expect(host).toMatchObject({ usable: false, missing: [tar] });
      expect(host.facts).toContainEqual({
        name: "Debian images",
        value: "refused: mmdebstrap is not on PATH; fix: apt-get install mmdebstrap",
      });
      const mmdebstrap = { need: "binary:mmdebstrap", fix: "apt-get install mmdebstrap" };
      expect(error).toMatchObject({ code: "ERR_HOST", missing: [mmdebstrap] });
      expect(layer).toMatchObject({ code: "ERR_HOST", missing: [tar] });
    } finally {
      await rm(folder, { recursive: true });
    }
  }),
);
