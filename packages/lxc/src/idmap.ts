import type { Idmap } from "@pileus/core/driver";

/** Where the ids of unprivileged containers stand on the host: Debian's first subordinate range (useradd(8), SUB_UID_MIN). */
export const DEFAULT_IDMAP: Idmap = { base: 100_000, count: 65_536 };
