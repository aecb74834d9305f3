/** Those attributes of an entry that are unpacked. */
export function keptXattrs(xattrs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (xattrs.size === 0) return xattrs;
  return new Map([...xattrs].filter(([name]) => isKept(name)));
}

/**
 * Whether an extended attribute of an image is unpacked: file capabilities, POSIX ACLs and what programs keep
 * (xattr(7)). Left out are labels of a security module, which belong to a host's policy, and `trusted.*`: in the store
 * that is overlayfs' own, and `trusted.overlay.redirect` would lead it anywhere in the lower layers.
 */
function isKept(name: string): boolean {
  return (
    name === "security.capability" ||
    name === "system.posix_acl_access" ||
    name === "system.posix_acl_default" ||
    /^user\.[\x21-\x3c\x3e-\x7e]{1,250}$/.test(name)
  );
}
