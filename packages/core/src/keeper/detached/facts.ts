import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readIfThere } from "../../system/read-if-there.ts";

// A later version may say more.
const FactsSchema = z.looseObject({ argv: z.array(z.string()).min(1), startedAt: z.number().int().nonnegative() });

/** What is recorded of a program before it starts. */
export interface ProgramFacts {
  readonly argv: readonly string[];
  readonly startedAt: number;
}

const NAME = "program.json";

/** The ids of detached programs, which are names of folders. */
export function isProgramId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** Makes the folder of a program, with its facts: whole or not at all, whenever this process ends. */
export function makeProgramFolder(folder: string, { argv, startedAt }: ProgramFacts): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const temporary = join(folder, `.${NAME}`);
    writeFileSync(temporary, JSON.stringify({ argv, startedAt }), { mode: 0o600 });
    renameSync(temporary, join(folder, NAME));
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The facts of a program; `undefined` when it is not on record. */
export async function readProgramFacts(folder: string): Promise<ProgramFacts | undefined> {
  const text = await readIfThere(join(folder, NAME));
  if (text === undefined) return undefined;
  try {
    return FactsSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // No file of ours: nothing is known.
    return undefined;
  }
}
