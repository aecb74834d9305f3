import { noNul } from "./no-nul.ts";

/** The path of a file or folder of the host, as a caller gives it. A relative one is below the working directory. */
export const HostPathSchema = noNul("a path", "must be a path").min(1, "must be a path, but is empty");
