/** An error like those of `node:fs`. `detail` is for people, if the code does not say enough. */
export function systemError(code: string, path: string, detail?: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code, path, ...(detail === undefined ? {} : { detail }) });
}
