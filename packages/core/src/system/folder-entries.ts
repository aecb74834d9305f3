import { readdir } from "node:fs/promises";

/** The folders in a folder, sorted; none if the folder does not exist. */
export async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = await entriesOf(() => readdir(folder, { withFileTypes: true }));
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** The names in a folder, sorted; none if the folder does not exist. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return (await entriesOf(() => readdir(folder))).sort();
}

async function entriesOf<T>(read: () => Promise<T[]>): Promise<T[]> {
  try {
    return await read();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}
