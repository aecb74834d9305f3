/** The attributes of an entry that are unpacked. */
export function keptXattrs(xattrs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (xattrs.size === 0) return xattrs;
  return new Map([...xattrs].filter(([name]) => isKept(name)));
}

/**
 * Whether an extended attribute of an image is unpacked: file capabilities, POSIX ACLs and attributes of programs
 * (xattr(7)). Labels of a security module are left out, because they belong to a host's policy. So is `trusted.*`: in
 * the store overlayfs uses it, and `trusted.overlay.redirect` would lead overlayfs anywhere in the lower layers.
 */
function isKept(name: string): boolean {
  return (
    name === "security.capability" ||
    name === "system.posix_acl_access" ||
    name === "system.posix_acl_default" ||
    /^user\.[\x21-\x3c\x3e-\x7e]{1,250}$/.test(name)
  );
}
