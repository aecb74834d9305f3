/** What a change of a device does in a container, by its type. */
export const CONTAINER_DEVICES = { nic: "fixed", disk: "live" } as const;
