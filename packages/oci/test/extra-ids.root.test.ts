import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();
const EXTRA = [{ inside: 1000, outside: 1000 }];

describe("a program with extra lines in its container's map of ids", () => {
  it(
    "runs as the account of the host, writes to its own streams, and reaches the image's files of that account",
    real(async () => {
      const script = `
        cat /proc/self/uid_map
        stat -c %u:%g /home/app /bin
        echo out >/dev/stdout; echo err >/dev/stderr; echo x >/home/app/own
        cat /proc/sys/net/ipv4/ping_group_range
        while :; do sleep 1 & wait $!; done`;
      await fixture.using({ ...sh(script), user: "app", idmap: { extra: EXTRA } }, async (instance) => {
        await instance.start();
        const { pid, idmap } = await instance.inspect();
        const base = idmap?.base ?? 0;
        expect(idmap?.extra).toEqual([{ inside: 1000, outside: 1000, count: 1, of: "both" }]);
        expect(readFileSync(`/proc/${pid}/status`, "utf8")).toContain("Uid:\t1000\t1000\t1000\t1000\n");
        expect(await instance.files.stat("/home/app")).toMatchObject({ uid: 1000, gid: 1000 });
        const lines: string[] = [];
        for await (const line of await instance.logs({ stream: "stdout", follow: true })) {
          lines.push(String(line));
          if (lines.join("").split("\n").length > 7) break;
        }
        expect(
          lines
            .join("")
            .replaceAll(/[\t ]+/g, " ")
            .replaceAll(/^ /gm, "")
            .split("\n"),
        ).toEqual([
          `0 ${base} 1000`,
          "1000 1000 1",
          `1001 ${base + 1001} 64535`,
          "1000:1000",
          "0:0",
          "out",
          "1000 65535",
          "",
        ]);
        for await (const chunk of await instance.logs({ stream: "stderr", follow: true })) {
          expect(String(chunk)).toBe("err\n");
          break;
        }
        expect((await instance.run(["stat", "-c", "%u:%g", "/home/app/own"])).stdout).toBe("1000:1000\n");
      });
    }),
  );
});
