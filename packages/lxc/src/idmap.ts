import type { Idmap } from "@pileus/core/driver";

/** The host ids of unprivileged containers: Debian's first subordinate range (useradd(8), SUB_UID_MIN). */
export const DEFAULT_IDMAP: Idmap = { base: 100_000, count: 65_536 };
