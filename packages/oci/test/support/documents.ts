/** Documents of an image, as registries serve them. */
export const OCI = "application/vnd.oci.image";
export const DOCKER = "application/vnd.docker";
export const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
export const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
export const descriptor = (mediaType: string, letter = "a") => ({ mediaType, digest: digest(letter), size: 1 });

export const manifest = (changes: object = {}) => ({
  schemaVersion: 2,
  mediaType: `${OCI}.manifest.v1+json`,
  config: descriptor(`${OCI}.config.v1+json`, "c"),
  layers: [descriptor(`${OCI}.layer.v1.tar+gzip`)],
  ...changes,
});

export const config = (changes: object = {}) => ({
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: [digest("d")] },
  ...changes,
});
