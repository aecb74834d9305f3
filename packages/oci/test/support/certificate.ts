import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";

/** Makes a certificate authority, and its certificate for 127.0.0.1. */
export async function makeCertificates(folder: string) {
  const authority = join(folder, "authority");
  await mkdir(authority, { recursive: true });
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => spawn(["openssl", ...args], { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const request = [...key, "-subj", "/CN=127.0.0.1", "-keyout", at("key.pem"), "-out", at("request.pem")];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=test authority",
    "-days",
    "2",
    "-keyout",
    at("ca.key"),
    "-out",
    join(authority, "ca.crt"),
  );
  await openssl("req", ...request, "-addext", "subjectAltName=IP:127.0.0.1");
  await openssl(
    "x509",
    "-req",
    "-in",
    at("request.pem"),
    "-CA",
    join(authority, "ca.crt"),
    "-CAkey",
    at("ca.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-copy_extensions",
    "copy",
    "-out",
    at("certificate.pem"),
  );
  return { certDir: authority, tls: { certificate: at("certificate.pem"), key: at("key.pem") } };
}
