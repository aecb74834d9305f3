import { z } from "zod";

export const LogStreamSchema = z.enum(["stdout", "stderr", "console"], "must be stdout, stderr or console");
