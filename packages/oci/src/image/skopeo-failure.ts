import { STATUS_CODES } from "node:http";
import { type CommandError, ConnectionError, ImageError, type InstanceError, NotFoundError } from "@pileus/core";
import { type ImageReference, renderReference } from "./reference.ts";

/**
 * The meanings of skopeo's last line; the first match counts. Its exit code is always 1, so only its text, and that of
 * its libraries (containers/image, distribution, Go's net/http and crypto/x509), tells failures apart. An unknown
 * failure stays a {@link CommandError}.
 */
const MEANINGS: readonly {
  readonly pattern: RegExp;
  readonly error: (image: ImageReference, cause: CommandError, status: string) => InstanceError;
}[] = [
  {
    pattern:
      /manifest unknown|name unknown|repository name not known|unable to find image|reference .* not found|no descriptor found for reference|\bTag \S+ not found/i,
    error: (image, cause) =>
      new NotFoundError("image", renderReference(image), {
        cause,
        hint: "the registry or archive has no such name or tag",
      }),
  },
  {
    pattern: /server gave HTTP response to HTTPS client/i,
    error: (image, cause) =>
      new ConnectionError(peer(image), "it speaks plain HTTP: pass registry: { tlsVerify: false } if you want that", {
        cause,
      }),
  },
  {
    pattern: /x509:|tls: /i,
    error: (image, cause) =>
      new ConnectionError(
        peer(image),
        "its TLS certificate is not trusted: pass registry: { certDir } with the CA's ca.crt",
        { cause },
      ),
  },
  {
    pattern: /unauthorized|authentication required|access to the resource is denied|invalid username\/password/i,
    error: (image, cause) =>
      new ConnectionError(peer(image), "it refused the credentials, or requires some: pass registry: { authFile }", {
        cause,
      }),
  },
  {
    pattern: /digest did not match|does not match .*digest|digest mismatch/i,
    error: (image, cause) =>
      new ImageError(renderReference(image), "the registry's content differs from its digest", { cause }),
  },
  {
    pattern: /toomanyrequests|too many requests/i,
    error: (image, cause) => new ConnectionError(peer(image), refusal("429"), { cause }),
  },
  {
    // client.go, registryHTTPResponseToError, and httpResponseToError of containers/image; errors.go of distribution.
    pattern: /(?:invalid status code from registry|StatusCode:|received unexpected HTTP status:) (\d{3})\b/,
    error: (image, cause, status) =>
      status === "404"
        ? new NotFoundError("image", renderReference(image), {
            cause,
            hint: "the registry does not have it, or lacks a part of it",
          })
        : new ConnectionError(peer(image), refusal(status), { cause }),
  },
  {
    pattern: /archive\/tar:|untarring file|loading tar component|not found in archive/i,
    error: (image, cause) => damaged(image, cause),
  },
  {
    pattern: /source image rejected|signature/i,
    error: (image, cause) => new ImageError(renderReference(image), "the trust policy refuses it", { cause }),
  },
  {
    pattern:
      /connection refused|connection reset|no such host|i\/o timeout|network is unreachable|no route to host|unexpected EOF|: EOF|server misbehaving|broken pipe/i,
    error: (image, cause) =>
      new ConnectionError(peer(image), "the registry cannot be reached, or closed the connection", { cause }),
  },
];

/** The contract's error for a failure of skopeo. */
export function translateFailure(image: ImageReference, cause: CommandError): InstanceError {
  // Only the last line is the error: earlier lines are warnings.
  const line = cause.stderr.trim().split("\n").at(-1) ?? "";
  if (image.transport !== "docker") {
    if (line.includes(image.path) && /no such file or directory/.test(line))
      return new NotFoundError("host file", image.path, { cause });
    if (/unexpected EOF|: EOF/.test(line)) return damaged(image, cause);
  }
  // Without the text that the caller chose, which may match any pattern.
  const chosen = image.transport === "docker" ? `${image.registry}/${image.name}` : image.path;
  const last = line.replaceAll(chosen, "");
  for (const { pattern, error } of MEANINGS) {
    const match = pattern.exec(last);
    if (match !== null) return error(image, cause, match[1] ?? "");
  }
  return cause;
}

function damaged(image: ImageReference, cause: CommandError): ImageError {
  return new ImageError(renderReference(image), "it is not an archive of this kind, or it is damaged", { cause });
}

function refusal(status: string): string {
  return `the registry refused: ${status} ${STATUS_CODES[status] ?? ""}`.trim();
}

function peer(image: ImageReference): string {
  return image.transport === "docker" ? `registry ${image.registry}` : image.path;
}
