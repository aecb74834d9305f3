import { z } from "zod";

export const LogStreamSchema = z.enum(["stdout", "stderr", "console"], {
  error: ({ input }) => `must be stdout, stderr or console${typeof input === "object" ? ': write logs("stdout")' : ""}`,
});
