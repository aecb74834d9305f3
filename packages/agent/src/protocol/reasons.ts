/** The agent's reasons for a failed call, in addition to the names of errnos. */
export const UNKNOWN_ACCOUNT = { user: "NOUSER", group: "NOGROUP" } as const;

/** There are too many concurrent calls, or another host holds the session. */
export const BUSY = "EBUSY";

/** As many detached programs run as there may be. */
export const FULL = "EUSERS";
