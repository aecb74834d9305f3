import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CommandError, ConfigError, HostError, ImageError } from "../../../src/errors/all.ts";
import { bootstrapArgv, bootstrapError, debianOrigin, parseMirror } from "../../../src/images/source/debian.ts";
import type { DebianBootstrap } from "../../../src/model/debian.ts";
import { Scratch } from "../support/scratch.ts";

const BOOKWORM: DebianBootstrap = { type: "debian", suite: "bookworm", mirror: "http://127.0.0.1:9/debian" };

const failed = (stderr: string) =>
  bootstrapError("debian:x", new CommandError({ argv: ["unshare"], exitCode: 1, stderr }));

describe("a Debian to be made", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("names the key that an unknown one most likely means", async () => {
    const source = { ...BOOKWORM, package: ["curl"] };
    const error = await debianOrigin(source, {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain('package: unknown key; did you mean "packages"?');
  });

  it("is refused without root before anything is started, and leaves nothing", async () => {
    await using scratch = await Scratch.make();
    await using store = await scratch.open();
    vi.spyOn(process, "geteuid").mockReturnValue(65534);
    const error = await store.import(BOOKWORM).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ missing: [{ need: "root" }] });
    expect(await scratch.remains()).toEqual([]);
  });

  it("runs programs in the new root, each word as it was written", async () => {
    const words = ["it's", "a b", "$HOME", "`id`", '"', "\\", "*", "", "-x"];
    const what = { suite: "trixie", variant: "minbase", packages: [], mirror: "http://x/", architecture: "amd64" };
    const customize = [["printf", "%s\\n", ...words], ["true"]];
    const argv = bootstrapArgv({ ...what, customize, checkValidUntil: true });
    const hooks = argv.filter((one) => one.startsWith("--customize-hook="));
    expect(hooks[1]).toBe(`--customize-hook=chroot "$1" 'true'`);
    const script = `chroot() { shift; "$@"; }; ${hooks[0]?.replace("--customize-hook=", "")}`;
    expect(execFileSync("sh", ["-c", script, "hook", "/root of it"], { encoding: "utf8" })).toBe(
      `${words.join("\n")}\n`,
    );
  });

  it("is another image with other programs, and the usual one without programs", async () => {
    const plain = (await debianOrigin(BOOKWORM, {})).identity;
    expect(Object.keys(plain as object)).not.toContain("customize");
    expect((await debianOrigin({ ...BOOKWORM, customize: [["true"]] }, {})).identity).not.toEqual(plain);
    const wrong = debianOrigin({ ...BOOKWORM, customize: [[]] }, {});
    await expect(wrong).rejects.toThrow(/customize.*program and its arguments/);
  });

  it("takes an archive whose validity has passed only if it is asked to, and such an image is another one", async () => {
    const what = {
      suite: "sid",
      variant: "minbase",
      packages: [],
      mirror: "http://x/",
      architecture: "amd64",
      customize: [],
    };
    const option = '--aptopt=Acquire::Check-Valid-Until "false"';
    expect(bootstrapArgv({ ...what, checkValidUntil: true })).not.toContain(option);
    expect(bootstrapArgv({ ...what, checkValidUntil: false })).toContain(option);
    const plain = (await debianOrigin(BOOKWORM, {})).identity;
    expect((await debianOrigin({ ...BOOKWORM, checkValidUntil: true }, {})).identity).toEqual(plain);
    expect((await debianOrigin({ ...BOOKWORM, checkValidUntil: false }, {})).identity).not.toEqual(plain);
    const expired = failed("E: Release file for http://x/dists/sid/InRelease is expired (invalid since 24d).\n");
    expect(expired.message).toContain("checkValidUntil: false");
  });

  it("fails with the error of mmdebstrap, or else with its last line", () => {
    const own = failed("I: running\nE: no such suite\nI: cleaning up\n");
    expect(own).toBeInstanceOf(ImageError);
    expect(own.message).toContain("mmdebstrap failed: E: no such suite");
    const unknown = failed(
      "E: Unable to locate package nginz\nE: apt-get install -oDpkg::Use-Pty=false failed\nE: mmdebstrap failed to run\n",
    );
    expect(unknown.message).toMatch(/mmdebstrap failed: E: Unable to locate package nginz$/);
    expect(failed("E: mmdebstrap failed to run\n").message).toMatch(/: E: mmdebstrap failed to run$/);
    expect(failed("unshare: unshare failed: Operation not permitted\n").message).toMatch(/Operation not permitted$/);
    expect(failed("").message).toMatch(/mmdebstrap failed$/);
  });
});

describe("parseMirror", () => {
  it("finds the archive of Debian among others", () => {
    const uris = [
      "'https://deb.nodesource.com/node_20.x/dists/nodistro/InRelease' x 0 ",
      "'https://download.docker.com/linux/debian/dists/bookworm/InRelease' x 0 ",
      "'http://deb.debian.org/debian-security/dists/bookworm-security/InRelease' x 0 ",
      "'http://ftp.example.org/debian/dists/bookworm/InRelease' x 0 ",
    ];
    expect(parseMirror(uris.join("\n"))).toBe("http://ftp.example.org/debian");
    expect(parseMirror(uris.slice(0, 3).join("\n"))).toBeUndefined();
  });
});
