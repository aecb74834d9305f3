import { CommandError, HostError } from "@pileus/core";
import { describe, expect, it } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { renderCopy, renderInspect, runSkopeo, type SkopeoContext } from "../../src/image/skopeo.ts";
import { translateFailure } from "../../src/image/skopeo-failure.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const context = (reference: string, registry: SkopeoContext["registry"] = {}): SkopeoContext => ({
  reference: parseReference(reference),
  registry,
  folder: "/scratch",
  maxBytes: 1e6,
  policy: "/p.json",
});

describe("renderInspect", () => {
  it("verifies TLS unless told otherwise", () => {
    expect(renderInspect(context("docker://h.x/a:1"), "manifest")).toEqual(
      "skopeo --policy /p.json --tmpdir tmp inspect --raw docker://h.x/a:1".split(" "),
    );
    expect(renderInspect(context("docker://h.x/a:1", { tlsVerify: false }), "config", DIGEST)).toEqual(
      `skopeo --policy /p.json --tmpdir tmp inspect --raw --config --tls-verify=false docker://h.x/a@${DIGEST}`.split(
        " ",
      ),
    );
  });
});

describe("renderCopy", () => {
  it("keeps layers unchanged and passes on certificates and credentials", () => {
    const options = { certDir: "/ca dir", authFile: "/auth.json" };
    expect(renderCopy(context("docker://h.x/a:1", options), { digest: DIGEST })).toEqual([
      ..."skopeo --policy /p.json --tmpdir tmp copy --quiet --dest-oci-accept-uncompressed-layers".split(" "),
      ..."--remove-signatures --src-cert-dir".split(" "),
      "/ca dir",
      ...`--src-authfile /auth.json docker://h.x/a@${DIGEST} oci:layout:image`.split(" "),
    ]);
  });
});

describe("runSkopeo", () => {
  it("reports a missing tool as spawn() does, skopeo or a tool that starts it", async () => {
    const missing = new HostError("run setpriv", [
      { need: "binary:setpriv", reason: "not on PATH", fix: "apt-get install util-linux" },
    ]);
    const asked: unknown[] = [];
    const run = runSkopeo(
      async (argv, options) => {
        asked.push([argv[0], options?.fromPackage]);
        throw missing;
      },
      context("docker://h.x/a:1"),
      ["skopeo", "--version"],
      { maxFile: 1 },
    );
    await expect(run).rejects.toBe(missing);
    expect(asked).toEqual([["skopeo", "skopeo"]]);
  });
});

describe("translateFailure", () => {
  const fail = (message: string, reference = "docker://h.x/a:1") =>
    translateFailure(
      parseReference(reference),
      new CommandError({
        argv: ["skopeo"],
        exitCode: 1,
        stderr: `level=warning msg="unauthorized"\nlevel=fatal msg="${message}"\n`,
      }),
    );

  it.each([
    ["reading manifest 1 in h.x/a: manifest unknown: manifest unknown", "ERR_IMAGE_NOT_FOUND"],
    ["open /certificates: no such file or directory", "ERR_COMMAND"],
    ["http: server gave HTTP response to HTTPS client", "ERR_CONNECTION"],
    ["x509: certificate signed by unknown authority", "ERR_CONNECTION"],
    ["unauthorized: authentication required", "ERR_CONNECTION"],
    ["dial tcp 127.0.0.1:1: connect: connection refused", "ERR_CONNECTION"],
    ["Digest did not match, expected sha256:a, got sha256:b", "ERR_IMAGE_INVALID"],
    ["Error fetching blob: invalid status code from registry 403 (Forbidden)", "ERR_CONNECTION"],
    ["pinging container registry h.x: invalid status code from registry 503 (x)", "ERR_CONNECTION"],
    ["reading manifest 1 in h.x/a: received unexpected HTTP status: 502 Bad Gateway", "ERR_CONNECTION"],
    ["toomanyrequests: You have reached your pull rate limit.", "ERR_CONNECTION"],
    ["Error fetching blob: invalid status code from registry 404 (Not Found)", "ERR_IMAGE_NOT_FOUND"],
    ["reading manifest 1 in h.x/a: StatusCode: 404, nothing here", "ERR_IMAGE_NOT_FOUND"],
    ["loading tar component manifest.json: archive/tar: invalid tar header", "ERR_IMAGE_INVALID"],
    ["Source image rejected: Running image docker://h.x/a:1 is rejected by policy.", "ERR_IMAGE_INVALID"],
    ["no space left on device", "ERR_COMMAND"],
  ])("reads %j as %s", (message, code) => {
    expect(fail(message)).toMatchObject({ code });
  });

  it("quotes a registry in one printable line", () => {
    const hostile = "\u001b]0;owned\u0007\u202e\u2028";
    for (const said of [
      `manifest unknown: ${hostile}`,
      `toomanyrequests: ${hostile}`,
      `Digest did not match ${hostile}`,
      hostile,
    ])
      expect(fail(said).message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it("reports the status with which a registry refused", () => {
    expect(fail("reading manifest 1 in h.x/a: StatusCode: 403, x").message).toContain(
      "the registry refused: 403 Forbidden",
    );
    expect(fail("initializing source: too many requests to registry").message).toContain("429 Too Many Requests");
  });

  it("reads a missing archive as a missing file of the host", () => {
    expect(fail("open /a: no such file or directory", "oci-archive:/a")).toMatchObject({
      code: "ERR_HOST_FILE_NOT_FOUND",
      subject: "/a",
    });
    // Here not the archive is missing, but another file of the host.
    expect(fail("open /policy.json: no such file or directory", "oci-archive:/a")).toMatchObject({
      code: "ERR_COMMAND",
    });
  });

  it.each([
    "Error retrieving manifest for image: unexpected EOF",
    "copying contents to temporary file /tmp/x: unexpected EOF",
  ])("reads %j as a damaged archive, or as a registry that closed the connection", (message) => {
    expect(fail(message, "docker-archive:/a")).toMatchObject({ code: "ERR_IMAGE_INVALID" });
    expect(fail(message)).toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("is not misled by a name that looks like a failure", () => {
    expect(fail("h.x/unauthorized/x509: broken in a new way", "docker://h.x/unauthorized/x509")).toMatchObject({
      code: "ERR_COMMAND",
    });
  });
});
