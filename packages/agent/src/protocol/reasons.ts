/** What the agent gives as the reason of a failed call, beside the names of errnos. */
export const UNKNOWN_ACCOUNT = { user: "NOUSER", group: "NOGROUP" } as const;

/** More calls at once than a session may have, or a session that another host holds. */
export const BUSY = "EBUSY";
