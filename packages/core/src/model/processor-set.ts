import { z } from "zod";

/** Linux has at most so many: CONFIG_NR_CPUS. */
const MOST = 8192;

/** The processors of a list as in `"0-3,6"`; `undefined` if it is none. cpuset(7), "List format". */
export function parseProcessors(text: string): ReadonlySet<number> | undefined {
  const processors = new Set<number>();
  for (const range of text.trim().split(",")) {
    const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(range) ?? [];
    if (first === undefined || Number(last) < Number(first) || Number(last) >= MOST) return undefined;
    for (let processor = Number(first); processor <= Number(last); processor++) processors.add(processor);
  }
  return processors;
}

/** Processors of the host by their numbers, as in `"0-3,6"`. */
export const ProcessorSetSchema = z
  .string()
  .max(1024)
  .refine((text) => parseProcessors(text) !== undefined, {
    error: ({ input }) =>
      `${JSON.stringify(String(input).slice(0, 40))} is not a list of processors: write their numbers, as in "0-3,6"`,
  });
